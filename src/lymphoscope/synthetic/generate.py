"""Write a folder of synthetic cells and fields, marked as synthetic everywhere."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import pandas as pd

import lymphoscope
from lymphoscope.data import Manifest, with_fingerprints, write_manifest
from lymphoscope.data.manifest import manifest_of
from lymphoscope.data.sources.synthetic import MANIFEST_FILE, MARK_FILE
from lymphoscope.errors import LymphoscopeError
from lymphoscope.files import write_json, write_text, written_beside
from lymphoscope.progress import tracked
from lymphoscope.synthetic.cohort import PlannedCell, draw_planned_cell, draw_subjects, encode_png, write_bytes
from lymphoscope.synthetic.faults import Fault, plan_faults, write_fault
from lymphoscope.synthetic.images import FIELD_SIZE, draw_field_image
from lymphoscope.synthetic.settings import Drawn, SynthesisSettings, check_settings, random_generator
from lymphoscope.synthetic.subjects import TRAITS, Subject

BOX_COLUMNS = ("image", "source", "class", "xmin", "ymin", "xmax", "ymax", "width", "height")
"""`image` is relative to `images`; the box is in pixels, half open; `width` and `height` are the field's."""
README = """SYNTHETIC cells and fields, drawn by a program. No patient, no blood, no microscope: nothing here says
anything about a person or a disease, and scores on them say nothing about real cells.

images/<class>/  cells: all = synthetic lymphoblast, hem = synthetic normal lymphocyte (C-NMC's labels)
masks/<class>/   same names: 0 background, 128 cytoplasm, 255 nucleus; none for the planted faults
fields/images/   fields; fields/boxes.csv lists the objects of each, in pixels, half open
fields/masks/    16-bit: the number of the object among the field's rows in boxes.csv, from 1; 0 is background
manifest.csv     every cell with label and subject (P.. blast, H.. normal), planted faults included
traits.csv       the traits of each cell, in standard deviations: size, chromatin, nucleoli and so on
synthetic.json   settings, seed, and every planted fault with its path
"""


def synthesize(
    folder: str | Path,
    *,
    subjects: int = 24,
    cells_per_subject: int = 12,
    fields: int = 4,
    faults: bool = True,
    seed: int = 0,
    size: int = 450,
    overlap: float = 0.06,
    background: Literal["black", "smear"] = "black",
    workers: int | None = None,
) -> Manifest:
    """Write a synthetic set (see SynthesisSettings) and return its manifest, fingerprints included.

    The same settings give the same bytes for any number of `workers` (threads; default: one per processor). Faults are
    extra files, so the good cells are the same without them. Raises LymphoscopeError: an invalid setting, a folder
    that contains anything but the same set.
    """
    settings = check_settings(
        subjects=subjects,
        cells_per_subject=cells_per_subject,
        fields=fields,
        faults=faults,
        seed=seed,
        size=size,
        overlap=overlap,
        background=background,
    )
    return _write_set(Path(folder).resolve(), settings, workers or os.cpu_count() or 1)


def _write_set(folder: Path, settings: SynthesisSettings, workers: int) -> Manifest:
    subjects = draw_subjects(settings)
    faults = plan_faults(subjects, settings)
    _write_mark(folder, settings, faults)
    rows = _write_cells(folder, subjects, settings, workers)
    for fault in faults:
        write_fault(folder, fault, settings)
    _write_fields(folder / "fields", subjects, settings, workers)
    manifest = with_fingerprints(_manifest_of(folder, rows, faults))
    write_manifest(manifest, folder / MANIFEST_FILE)
    return manifest


def _write_mark(folder: Path, settings: SynthesisSettings, faults: list[Fault]) -> None:
    """Mark the folder as synthetic before anything else, and never mix two sets in one folder."""
    mark = {
        "synthetic": True,
        "made_by": f"lymphoscope {lymphoscope.__version__}, data synthesize",
        "settings": settings.model_dump(mode="json"),
        "faults": [fault.to_json() for fault in faults],
    }
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        _check_same(folder, mark)
    write_json(folder / MARK_FILE, mark)
    write_text(folder / "README.txt", README)


def _check_same(folder: Path, mark: dict[str, Any]) -> None:
    try:
        present = json.loads((folder / MARK_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        present = {}
    if present.get("settings") != mark["settings"]:
        raise LymphoscopeError(f"{folder} contains something else: give a new folder for the synthetic set")


def _write_cells(
    folder: Path, subjects: list[Subject], settings: SynthesisSettings, workers: int
) -> list[dict[str, Any]]:
    cells = [
        PlannedCell(subject, number, cell)
        for number, subject in enumerate(subjects)
        for cell in range(settings.cells_per_subject)
    ]
    with ThreadPoolExecutor(workers) as pool:
        drawn = pool.map(lambda cell: _write_cell(folder, cell, settings), cells)
        rows = list(tracked(drawn, "drawing synthetic cells", len(cells)))
    with written_beside(folder / "traits.csv") as beside:
        pd.DataFrame(rows).to_csv(beside, index=False)
    return rows


def _write_cell(folder: Path, cell: PlannedCell, settings: SynthesisSettings) -> dict[str, Any]:
    image = draw_planned_cell(cell, settings)
    label = cell.subject.label
    path = f"images/{label}/{cell.name}"
    write_bytes(folder / path, encode_png(image.pixels))
    write_bytes(folder / f"masks/{label}/{cell.name}", encode_png(image.mask))
    scores = dict(zip(TRAITS, image.scores.round(4).tolist(), strict=True))
    return {"path": path, "label": label, "subject": cell.subject.name, **scores}


def _manifest_of(folder: Path, rows: list[dict[str, Any]], faults: list[Fault]) -> Manifest:
    good = [(row["path"], row["label"], row["subject"]) for row in rows]
    faulty = [(fault.path, fault.label, fault.cell.subject.name) for fault in faults]
    cells = [
        {"path": str(folder / path), "label": label, "subject": subject}
        for path, label, subject in sorted(good + faulty)
    ]
    return manifest_of(cells, "synthetic")


def _write_fields(folder: Path, subjects: list[Subject], settings: SynthesisSettings, workers: int) -> None:
    """Write `images`, `masks` and `boxes.csv` below `folder`: one field per subject in turn."""
    if not settings.fields:
        return
    with ThreadPoolExecutor(workers) as pool:
        written = pool.map(lambda number: _write_field(folder, number, subjects, settings), range(settings.fields))
        rows = [row for field in written for row in field]
    with written_beside(folder / "boxes.csv") as beside:
        pd.DataFrame(rows, columns=list(BOX_COLUMNS)).to_csv(beside, index=False)


def _write_field(
    folder: Path, number: int, subjects: list[Subject], settings: SynthesisSettings
) -> list[dict[str, Any]]:
    round_, index = divmod(number, len(subjects))
    subject = subjects[index]
    field = draw_field_image(subject, settings, random_generator(settings.seed, Drawn.FIELD, index, round_))
    name = f"SYN_{subject.name}_{round_ + 1}.png"
    write_bytes(folder / "images" / name, encode_png(field.pixels))
    write_bytes(folder / "masks" / name, encode_png(field.numbers))
    height, width = FIELD_SIZE
    return [
        dict(zip(BOX_COLUMNS, (name, "SYNTHETIC", each.class_name, *each.box, width, height), strict=True))
        for each in field.objects
    ]
