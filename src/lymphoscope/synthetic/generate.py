"""`data synthesize`: a folder of synthetic cells and fields, which says in every place that it is synthetic."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import pandas as pd

import lymphoscope
from lymphoscope.data.manifest import Manifest, manifest_of, write_manifest
from lymphoscope.data.similarity.fingerprints import with_fingerprints
from lymphoscope.errors import LymphoscopeError
from lymphoscope.files import write_json, write_text, written_beside
from lymphoscope.progress import tracked
from lymphoscope.synthetic.cohort import PlannedCell, draw_planned, draw_subjects, encoded, write_bytes
from lymphoscope.synthetic.faults import Fault, plan_faults, write_fault
from lymphoscope.synthetic.field_files import write_fields
from lymphoscope.synthetic.settings import SynthesisSettings, checked
from lymphoscope.synthetic.stains import Subject
from lymphoscope.synthetic.traits import TRAITS

MARK = "synthetic.json"
README = """SYNTHETIC cells and fields, made by a program. No patient, no blood, no microscope: nothing here says
anything about a person or a disease, and a score on them is no score on real cells.

images/<class>/  cells: all = synthetic lymphoblast, hem = synthetic normal lymphocyte (C-NMC's labels)
masks/<class>/   of the same name: 0 background, 128 cytoplasm, 255 nucleus; not of the planted faults
fields/images/   fields; fields/boxes.csv names what lies in each, pixels, half open
fields/masks/    16-bit: the number of the row among the field's rows in boxes.csv, from 1; 0 is background
manifest.csv     every cell with label and subject (P.. blast, H.. normal), planted faults included
traits.csv       what each cell was drawn with, in standard deviations: size, chromatin, nucleoli and so on
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

    The same settings give the same bytes for any number of `workers` (threads; default: the processors). Faults are
    extra files, so the good cells are the same without them. Raises LymphoscopeError: a wrong setting, a folder
    that holds anything but the same set.
    """
    settings = checked(
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
    people = draw_subjects(settings)
    planted = plan_faults(people, settings)
    _write_mark(folder, settings, planted)
    rows = _write_cells(folder, people, settings, workers)
    for fault in planted:
        write_fault(folder, fault, settings)
    write_fields(folder / "fields", people, settings, workers)
    manifest = with_fingerprints(_manifest_of(folder, rows, planted))
    write_manifest(manifest, folder / "manifest.csv")
    return manifest


def _write_mark(folder: Path, settings: SynthesisSettings, planted: list[Fault]) -> None:
    """Say that it is synthetic before there is anything to mistake, and never mix two sets in one folder."""
    mark = {
        "synthetic": True,
        "made_by": f"lymphoscope {lymphoscope.__version__}, data synthesize",
        "settings": settings.model_dump(mode="json"),
        "faults": [fault.to_json() for fault in planted],
    }
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        _check_same(folder, mark)
    write_json(folder / MARK, mark)
    write_text(folder / "README.txt", README)


def _check_same(folder: Path, mark: dict[str, Any]) -> None:
    try:
        there = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        there = {}
    if there.get("settings") != mark["settings"]:
        raise LymphoscopeError(f"{folder} holds something else: give a new folder for the synthetic set")


def _write_cells(
    folder: Path, people: list[Subject], settings: SynthesisSettings, workers: int
) -> list[dict[str, Any]]:
    cells = [
        PlannedCell(subject, number, cell)
        for number, subject in enumerate(people)
        for cell in range(settings.cells_per_subject)
    ]
    with ThreadPoolExecutor(workers) as pool:
        drawn = pool.map(lambda cell: _write_cell(folder, cell, settings), cells)
        rows = list(tracked(drawn, "drawing synthetic cells", len(cells)))
    with written_beside(folder / "traits.csv") as beside:
        pd.DataFrame(rows).to_csv(beside, index=False)
    return rows


def _write_cell(folder: Path, cell: PlannedCell, settings: SynthesisSettings) -> dict[str, Any]:
    picture = draw_planned(cell, settings)
    label = cell.subject.label
    path = f"images/{label}/{cell.name}"
    write_bytes(folder / path, encoded(picture.pixels))
    write_bytes(folder / f"masks/{label}/{cell.name}", encoded(picture.mask))
    scores = dict(zip(TRAITS, picture.scores.round(4).tolist(), strict=True))
    return {"path": path, "label": label, "subject": cell.subject.name, **scores}


def _manifest_of(folder: Path, rows: list[dict[str, Any]], planted: list[Fault]) -> Manifest:
    good = [(row["path"], row["label"], row["subject"]) for row in rows]
    faulty = [(fault.path, fault.label, fault.cell.subject.name) for fault in planted]
    cells = [
        {"path": str(folder / path), "label": label, "subject": subject}
        for path, label, subject in sorted(good + faulty)
    ]
    return manifest_of(cells, "synthetic")
