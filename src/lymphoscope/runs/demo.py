"""The whole workflow in minutes: make or read cells, audit, split by subject, train, evaluate, explain, report."""

import json
from collections.abc import Iterable
from pathlib import Path

from lymphoscope.data import Manifest, audit_with_fingerprints, read_source
from lymphoscope.errors import LymphoscopeError
from lymphoscope.files import write_json, write_text
from lymphoscope.inference import load
from lymphoscope.reports import panel_names, write_panels
from lymphoscope.runs.run_folder import RunFolder, log
from lymphoscope.runs.single_run import begin_training, finish_training
from lymphoscope.synthetic import synthesize

EXPLAINED = 6
SUBJECTS, CELLS_PER_SUBJECT = 48, 8
"""Size of the synthetic cohort."""


def run_demo(
    folder: RunFolder,
    data: str | None = None,
    subject_pattern: str | None = None,
    overrides: Iterable[str] = (),
    *,
    allow_leak: bool = False,
) -> None:
    """Do the whole workflow in `folder`, on the cells of `data` or on synthetic ones; a stopped demo continues.

    Raises LymphoscopeError if the cells cannot be read or split, for leaks between parts that they came with unless
    `allow_leak`, and if the folder has a demo of other cells.
    """
    _refuse_other_cells(folder, data)
    with folder.locked(), folder.logged():
        if folder.report.is_file():
            log(f"{folder.path} has a finished demo: remove the folder to do it again")
        elif not folder.config.is_file():
            _begin(folder, data, subject_pattern, overrides, allow_leak=allow_leak)
        finish_training(folder)
        explained = _explain_some(folder)
        log(f"{explained} held-out cells explained in {folder.path / 'explained'}")


def _begin(
    folder: RunFolder, data: str | None, subject_pattern: str | None, overrides: Iterable[str], *, allow_leak: bool
) -> None:
    from lymphoscope.training import check_recipe, load_recipe

    manifest = _synthetic(folder.path / "cells") if data is None else read_source(data, subject_pattern=subject_pattern)
    report, fingerprinted = audit_with_fingerprints(manifest)
    write_text(folder.path / "audit.json", report.to_json() + "\n")
    log(report.to_text())
    recipe = load_recipe("quick" if data is None else "transfer", overrides)
    check_recipe(recipe, fingerprinted.classes)
    begin_training(recipe, fingerprinted, folder, allow_leak=allow_leak)


def _refuse_other_cells(folder: RunFolder, data: str | None) -> None:
    """Write the origin of the cells to `demo.json`, and compare it with that of an earlier demo in the folder."""
    path, cells = folder.path / "demo.json", data or "synthetic"
    if folder.config.is_file() and (not path.is_file() or json.loads(path.read_text()) != {"cells": cells}):
        raise LymphoscopeError(f"{folder.path} has a run of other cells than {cells}: choose another --out")
    write_json(path, {"cells": cells})


def _synthetic(folder: Path) -> Manifest:
    if (folder / "synthetic.json").is_file():
        return read_source(str(folder))
    log(f"no --data: generating synthetic cells in {folder}")
    return synthesize(folder, subjects=SUBJECTS, cells_per_subject=CELLS_PER_SUBJECT, fields=2)


def _explain_some(folder: RunFolder) -> int:
    """Draw what the streams used of some held-out cells, evenly spread over them; return their number."""
    _, manifest = folder.read_plan()
    held_out = manifest.table.loc[manifest.table["split"] == "test", "path"].tolist()
    chosen = held_out[:: max(1, len(held_out) // EXPLAINED)][:EXPLAINED]
    rows = write_panels(load(folder.model).explain(chosen), panel_names(chosen), folder.path / "explained")
    return sum(row["picture"] is not None for row in rows)
