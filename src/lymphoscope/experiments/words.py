"""What a result says of its cells and limits, in sentences."""

from lymphoscope.data import Manifest
from lymphoscope.experiments.definition import Definition
from lymphoscope.experiments.request import Request

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
