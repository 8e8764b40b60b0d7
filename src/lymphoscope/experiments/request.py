"""What a person asks of an experiment.

What a result's folder was begun with, so that runs of other cells or limits never mix in it.

What a result says of its cells and limits, in sentences.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.experiments.definition import Definition
from lymphoscope.files import write_json


@dataclass(frozen=True)
class Limits:
    """How an experiment is made to fit a machine; None leaves the protocol as the paper has it.

    `overrides` are `a.b=c` for every recipe, after those of the experiment. Each limit stands on the result's page.
    """

    epochs: int | None = None
    cells: int | None = None
    folds: int | None = None
    backbone: str | None = None
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """An experiment by name, on the cells of `data` (words of a source), written to the folder `out`.

    `model` is a trained model's folder, for the figures that look at one; None for the model that ships. `only` names
    the runs of a grid to do now, all without; `jobs` runs go side by side as processes, or on a Ray cluster.
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


TERMS = "experiment.json"


def check_terms(request: Request) -> None:
    """Note in the folder what is asked. Raises LymphoscopeError where it holds runs of another experiment."""
    path, wanted = request.out / TERMS, _terms(request)
    if path.is_file():
        held = json.loads(path.read_text(encoding="utf-8"))
        other = [name for name in wanted if held.get(name) != wanted[name]]
        if other:
            raise LymphoscopeError(
                f"{request.out} holds {held.get('name')} with {other[0]} {held.get(other[0])!r}, not "
                f"{wanted[other[0]]!r}: choose another --out, or the same words to go on"
            )
    write_json(path, wanted)


def _terms(request: Request) -> dict[str, Any]:
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


RANDOM = "split.by=random"


def data_words(manifest: Manifest) -> dict[str, str]:
    """The cells in short: where from, how many, of whom."""
    table = manifest.table
    counts = table["label"].value_counts().sort_index()
    by_class = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    subjects = table["subject"].nunique()
    return {
        "cells": f"{len(table):,} ({by_class})",
        "subjects": str(subjects) if subjects else "not known",
        "source": manifest.source,
        "manifest": manifest.digest[:16],
    }


def limits_in_words(request: Request, definition: Definition, manifest: Manifest) -> list[str]:
    """A sentence for each way in which this is less than the paper's experiment."""
    limits = request.limits
    said = []
    if limits.epochs:
        epochs = "one epoch" if limits.epochs == 1 else f"{limits.epochs} epochs at most"
        said.append(f"Trained for {epochs} instead of as many as the recipe has.")
    if limits.cells:
        kinds = f"{limits.cells} cells at most, as many of each class as there are, spread over the subjects"
        said.append(f"{kinds}: the classes are not in the shares of the whole set.")
    if limits.folds and definition.folds and limits.folds != definition.folds:
        said.append(f"{limits.folds} folds instead of {definition.folds}.")
    if limits.backbone:
        said.append(f"Every network has the backbone {limits.backbone} instead of the paper's.")
    if limits.overrides:
        said.append(f"Recipes changed by hand: {', '.join(limits.overrides)}.")
    if request.only:
        said.append(f"Only these runs were asked for: {', '.join(request.only)}.")
    said += _random_splits(request, definition)
    if manifest.table["subject"].isna().any():
        said.append(
            "RANDOM SPLIT: not every cell has a subject, so they are dealt cell by cell; a person's cells may stand in "
            "training and in test, and the scores may be too high for new people."
        )
    return said + [_sentence(notice) for notice in manifest.notices]


def _random_splits(request: Request, definition: Definition) -> list[str]:
    """A sentence where some runs, or all by the words of the request, were dealt cell by cell."""
    chosen = [run for name, run in definition.runs.items() if name in (request.only or definition.runs)]
    random = [run.title for run in chosen if RANDOM in (*definition.overrides, *run.overrides)]
    if RANDOM in request.limits.overrides:
        random = ["every run"]
    why = "a person's cells stand in training and in test, which flatters the scores"
    return [f"RANDOM SPLIT in {', '.join(random)}: {why}."] if random else []


def _sentence(notice: str) -> str:
    return notice if notice.endswith(".") else f"{notice}."
