"""The whole workflow in minutes: make or read cells, audit, split, train, evaluate, explain, report, count a smear."""

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
from lymphoscope.smear import RunOptions, describe_result, find_fields, load_detector, run_smear
from lymphoscope.synthetic import SmearSettings, synthesize, synthesize_smear

EXPLAINED = 6
SUBJECTS, CELLS_PER_SUBJECT = 48, 8
"""Size of the synthetic cohort."""
_SCALE = ("data.crop=450", "data.microns_per_pixel=0.0588", "data.surroundings=black")
"""Synthetic cells have 450 pixels at 17 pixels per micrometre, and are on black."""


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
        if data is None:
            _count_smear(folder)


def _begin(
    folder: RunFolder, data: str | None, subject_pattern: str | None, overrides: Iterable[str], *, allow_leak: bool
) -> None:
    from lymphoscope.training import check_recipe, load_recipe

    manifest = _synthetic(folder.path / "cells") if data is None else read_source(data, subject_pattern=subject_pattern)
    report, fingerprinted = audit_with_fingerprints(manifest)
    write_text(folder.path / "audit.json", report.to_json() + "\n")
    log(report.to_text())
    own = [*(_SCALE if data is None else ()), *overrides]
    recipe = load_recipe("quick" if data is None else "transfer", own)
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


def _count_smear(folder: RunFolder) -> None:
    """Draw a synthetic smear and count it with the demo's model."""
    out, drawn = folder.path / "smear", folder.path / "smear-fields"
    if (out / "smear.json").is_file():
        return
    truth = synthesize_smear(drawn, SmearSettings(fields=3))
    options = RunOptions(command="lymphoscope demo", overwrite=True)
    result = run_smear(load(folder.model), load_detector(), find_fields([drawn / "fields"]), out, options)
    log(f"a synthetic smear of {len(truth)} white cells:")
    log("\n".join(describe_result(result)))
