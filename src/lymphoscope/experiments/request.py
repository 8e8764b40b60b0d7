"""What the user asks of an experiment, and how a result states its cells and limits.

The output folder records the request, so that runs on other cells or with other limits never mix in one folder.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.experiments.definition import Definition
from lymphoscope.files import write_json

REQUEST_FILE = "experiment.json"
RANDOM_SPLIT = "split.by=random"


@dataclass(frozen=True)
class Limits:
    """Limits that make an experiment fit a machine; None keeps the paper's protocol. The result's page lists each.

    `overrides` are `a.b=c` for every recipe and are applied after those of the experiment.
    """

    epochs: int | None = None
    cells: int | None = None
    folds: int | None = None
    backbone: str | None = None
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """An experiment by name, on the cells of the source `data`, written to the folder `out`.

    `model` is a trained model's folder for the figures that show one; None takes the model that ships. `only` names the
    runs of the grid to do now, all of them if empty; `jobs` runs go in parallel processes or on a Ray cluster. `seeds`
    trainings are made of every run; None takes as many as the experiment states.
    """

    name: str
    data: str | None
    out: Path
    limits: Limits = Limits()
    model: Path | None = None
    subject_pattern: str | None = None
    only: tuple[str, ...] = ()
    jobs: int = 1
    ray: bool = False
    seeds: int | None = None


def check_output_folder(request: Request) -> None:
    """Record the request in its output folder. Raises LymphoscopeError if the folder holds another experiment."""
    path, options = request.out / REQUEST_FILE, _recorded_options(request)
    if path.is_file():
        earlier = json.loads(path.read_text(encoding="utf-8"))
        changed = [name for name in options if earlier.get(name) != options[name]]
        if changed:
            raise LymphoscopeError(
                f"{request.out} holds {earlier.get('name')} with {changed[0]} {earlier.get(changed[0])!r}, not "
                f"{options[changed[0]]!r}: choose another --out, or repeat the same options to resume"
            )
    write_json(path, options)


def _recorded_options(request: Request) -> dict[str, Any]:
    """What must be the same for runs in one folder; seeds and rows may be added later."""
    limits = request.limits
    return {
        "name": request.name,
        "data": request.data,
        "epochs": limits.epochs,
        "cells": limits.cells,
        "folds": limits.folds,
        "backbone": limits.backbone,
        "overrides": list(limits.overrides),
        "subject_pattern": request.subject_pattern,
    }


def describe_cells(manifest: Manifest) -> dict[str, str]:
    """The cells in short: how many of each class, of how many subjects, from which source."""
    table = manifest.table
    counts = table["label"].value_counts().sort_index()
    by_class = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    subjects = table["subject"].nunique()
    return {
        "cells": f"{len(table):,} ({by_class})",
        "subjects": str(subjects) if subjects else "unknown",
        "source": manifest.source,
        "manifest": manifest.digest[:16],
    }


def describe_limits(request: Request, definition: Definition, manifest: Manifest) -> list[str]:
    """One sentence for each way in which the request is less than the paper's experiment."""
    sentences = [*_describe_training(request, definition), *_random_splits(request, definition)]
    if manifest.table["subject"].isna().any():
        sentences.append(
            "RANDOM SPLIT: some cells have no subject, so cells are assigned one by one; cells of one person may be in "
            "training and in test, and the scores may be too high for new people."
        )
    return sentences + [notice if notice.endswith(".") else f"{notice}." for notice in manifest.notices]


def _describe_training(request: Request, definition: Definition) -> list[str]:
    limits, sentences = request.limits, []
    if limits.epochs:
        epochs = "one epoch" if limits.epochs == 1 else f"at most {limits.epochs} epochs"
        sentences.append(f"Trained for {epochs} instead of the recipe's number.")
    if limits.cells:
        sentences.append(
            f"At most {limits.cells} cells, balanced over the classes and spread over the subjects: the class "
            "proportions are not those of the whole set."
        )
    if limits.folds and definition.folds and limits.folds != definition.folds:
        sentences.append(f"{limits.folds} folds instead of {definition.folds}.")
    if request.seeds and request.seeds < definition.seeds:
        sentences.append(f"{request.seeds} of {definition.seeds} seeds.")
    if limits.backbone:
        sentences.append(f"Every network has the backbone {limits.backbone} instead of the paper's.")
    if limits.overrides:
        sentences.append(f"Recipe keys changed: {', '.join(limits.overrides)}.")
    if request.only:
        sentences.append(f"Only these runs were requested: {', '.join(request.only)}.")
    return sentences


def _random_splits(request: Request, definition: Definition) -> list[str]:
    """One sentence if some runs, or all by the request's overrides, are split cell by cell."""
    chosen = [run for name, run in definition.runs.items() if name in (request.only or definition.runs)]
    random = [run.title for run in chosen if RANDOM_SPLIT in (*definition.overrides, *run.overrides)]
    if RANDOM_SPLIT in request.limits.overrides:
        random = ["every run"]
    reason = "cells of one person are in training and in test, which inflates the scores"
    return [f"RANDOM SPLIT in {', '.join(random)}: {reason}."] if random else []
