"""C-NMC 2019: official folders, subjects from the file names, labels of phase 2 from its CSV.

Gupta A., Gupta R. (2019), ALL Challenge dataset of ISBI 2019, doi 10.7937/tcia.2019.dc64i46r.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lymphoscope.data.image_files import describe_not_read, walk_files
from lymphoscope.data.manifest import Manifest, manifest_of
from lymphoscope.data.sources.registry import source
from lymphoscope.errors import LymphoscopeError
from lymphoscope.terminal import counted

if TYPE_CHECKING:
    import pandas as pd

PUBLISHED = {
    ("phase-1", "all"): (7272, 47),
    ("phase-1", "hem"): (3389, 26),
    ("phase-2", "all"): (1219, 13),
    ("phase-2", "hem"): (648, 15),
    ("phase-3", None): (2586, 17),
}
"""Published number of cells and subjects by phase and label; the file names of phase 3 do not contain subjects."""
LABELS_FILE = "C-NMC_test_prelim_phase_data_labels.csv"

_CLASSES = frozenset({"all", "hem"})
_LABEL_COLUMNS = ("Patient_ID", "new_names", "labels")
_NAME = re.compile(r"UID_(?P<subject>[^_]+)_(?P<image>[^_]+)_(?P<cell>[^_]+)_(?P<label>all|hem)", re.IGNORECASE)
_PHASE_2 = re.compile(r"prelim|validation_data", re.IGNORECASE)
_PHASE_3 = re.compile(r"test_final|testing_data", re.IGNORECASE)
_OFFICIAL = re.compile(r"C-NMC_|fold_\d+$", re.IGNORECASE)


def looks_like_cnmc(root: Path) -> bool:
    """Return whether a folder is laid out or named like C-NMC, or contains an image with a C-NMC name."""
    if _OFFICIAL.match(root.name) or any(_OFFICIAL.match(path.name) for path in root.iterdir() if path.is_dir()):
        return True
    return any(_NAME.fullmatch(path.stem) for path in walk_files(root))


def label_in_name(path: Path) -> str | None:
    """Return the class that a file name of C-NMC states, None for other names."""
    match = _NAME.fullmatch(path.stem)
    return match["label"].lower() if match else None


@source("cnmc", title="the folders of C-NMC 2019", reads="folder", detect=looks_like_cnmc, priority=2)
def read_cnmc(root: Path) -> Manifest:
    """Read C-NMC at `root`, which may be the whole set, one phase, or any folder above them.

    Labels come from the file names, those of phase 2 from the CSV; phase 3 has none. A cell in a folder `all` or `hem`
    beside a folder of the other name has the label of its folder: so experts label cells again. Subjects are upper
    case, a slide is subject_image. Notices report cells that were labelled again, and counts that differ from
    PUBLISHED. Raises LymphoscopeError: no image, a broken CSV of labels.
    """
    labels = _read_labels(root)
    not_read: Counter[str] = Counter()
    named = [_cell(path, root, labels) for path in walk_files(root, not_read=not_read)]
    if not named:
        raise LymphoscopeError(f"{root} contains no images: give the folder that contains C-NMC_training_data")
    classes = _class_folders({Path(cell["path"]).parent for cell in named})
    cells = [{**cell, "label": classes.get(Path(cell["path"]).parent, cell["label"])} for cell in named]
    manifest = manifest_of(cells, "cnmc")
    not_read[".csv"] -= len(list(root.rglob(LABELS_FILE)))  # which is read
    skipped = describe_not_read(+not_read)
    notices = [*_labelled_again(named, cells), *_notices(manifest, len(labels)), *([skipped] if skipped else [])]
    return manifest.with_table(manifest.table, *notices)


def _cell(path: Path, root: Path, labels: dict[str, tuple[str, str]]) -> dict[str, Any]:
    phase = _phase(path.relative_to(root.parent))
    name, label = labels.get(path.stem, (path.stem, None)) if phase == "phase-2" else (path.stem, None)
    match = _NAME.fullmatch(name)
    if match is None:
        folder = path.parent.name.lower()
        return {"path": str(path), "phase": phase, "label": folder if folder in _CLASSES else label}
    subject = match["subject"].upper()
    slide = f"{subject}_{match['image']}"
    label = label or match["label"].lower()
    return {"path": str(path), "phase": phase, "label": label, "subject": subject, "slide": slide}


def _phase(relative: Path) -> str:
    folders = "/".join(relative.parts[:-1])
    if _PHASE_2.search(folders):
        return "phase-2"
    return "phase-3" if _PHASE_3.search(folders) else "phase-1"


def _read_labels(root: Path) -> dict[str, tuple[str, str]]:
    """Stem of a phase 2 file -> its original stem and its label; empty where there is no CSV."""
    path = next(_label_files(root), None)
    if path is None:
        return {}
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.DictReader(stream)
        missing = [name for name in _LABEL_COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise LymphoscopeError(f"{path} has no column {missing[0]}: use the official file")
        return dict(_label_of(row, path, line) for line, row in enumerate(rows, start=2))


def _in_other_folder(table: "pd.DataFrame") -> "pd.Series[Any]":
    """Return the paths of cells in a folder named `all` or `hem` whose label is the other one."""
    folders = table["path"].map(lambda path: Path(path).parent.name.lower())
    return table.loc[folders.isin(_CLASSES) & table["label"].notna() & (folders != table["label"]), "path"]


def _class_folders(folders: set[Path]) -> dict[Path, str]:
    """Folder -> its class, for those named `all` or `hem` that lie beside a folder of the other name.

    A folder `all` by itself may hold all cells.
    """
    class_folders = {}
    for folder in folders:
        name = folder.name.lower()
        if name in _CLASSES and {path.name.lower() for path in folder.parent.iterdir() if path.is_dir()} >= _CLASSES:
            class_folders[folder] = name
    return class_folders


def _labelled_again(named: list[dict[str, Any]], cells: list[dict[str, Any]]) -> Iterator[str]:
    """A notice of the cells whose folder is another class than their name, or in phase 2 the CSV, says."""
    moved = [new for old, new in zip(named, cells, strict=True) if old["label"] not in (None, new["label"])]
    if moved:
        counts = Counter(cell["label"] for cell in moved)
        into = ", ".join(f"{count} in {label}" for label, count in sorted(counts.items()))
        yield (
            f"LABELLED AGAIN: {counted(len(moved), 'cell')} in the folder of another class than the file name or the "
            f"CSV says ({into}), such as {moved[0]['path']}; the folder was used. If nobody moved them on purpose, "
            "move them back"
        )


def _label_files(root: Path) -> Iterator[Path]:
    yield from sorted(root.rglob(LABELS_FILE))
    # If the root is the folder of phase 2 itself, the CSV is next to it.
    if (root.parent / LABELS_FILE).is_file():
        yield root.parent / LABELS_FILE


def _label_of(row: dict[str, str], path: Path, line: int) -> tuple[str, tuple[str, str]]:
    original_name, name, label = (row[column] or "" for column in _LABEL_COLUMNS)
    if label not in ("0", "1") or not _NAME.fullmatch(Path(original_name).stem):
        raise LymphoscopeError(
            f"{path}, line {line}: {original_name!r} with label {label!r}; "
            "expected UID_<subject>_<image>_<cell>_<all|hem>.bmp with 1 or 0: use the official file"
        )
    return Path(name).stem, (Path(original_name).stem, "all" if label == "1" else "hem")


def _notices(manifest: Manifest, labelled_names: int) -> list[str]:
    table = manifest.table
    phases = set(table["phase"])
    notices = [_difference(table, *key) for key in PUBLISHED if key[0] in phases]
    if labelled_names and "phase-2" not in phases:
        notices.append(f"C-NMC phase-2: the labels of {labelled_names} cells are here, their images are not")
    beside = _in_other_folder(table)
    if len(beside):
        notices.append(
            f"LABELS IN DOUBT: {counted(len(beside), 'cell')} in a folder named as another class than the file name "
            f"says, such as {beside.iloc[0]}; the name was used, because no folder of the other class lies beside it"
        )
    unlabelled = int((table["label"].isna() & (table["phase"] != "phase-3")).sum())
    if unlabelled:
        notices.append(f"C-NMC: {counted(unlabelled, 'image')} of phase-1 and 2 without a label in the name or the CSV")
    return [notice for notice in notices if notice]


def _difference(table: Any, phase: str, label: str | None) -> str:
    here = table[(table["phase"] == phase) & (table["label"].isna() if label is None else table["label"] == label)]
    cells, subjects = PUBLISHED[phase, label]
    if len(here) == cells and (label is None or here["subject"].nunique() == subjects):
        return ""
    counts = f"{len(here)} cells" + (f" of {here['subject'].nunique()} subjects" if label else "")
    return f"C-NMC {phase} {label or 'unlabelled'}: {counts} here, {cells} of {subjects} published"
