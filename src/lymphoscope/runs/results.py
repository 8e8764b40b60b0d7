"""The results of an evaluation on disk: metrics.json, the model card and the report, without a model or torch."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.data import Manifest, UnreadableImage, data_summary, read_image, split_by
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import Leak, Leakage, Metrics
from lymphoscope.files import write_json, write_text
from lymphoscope.reports import Mistake, ReportContents, write_report
from lymphoscope.runs.folder import RunFolder
from lymphoscope.runs.provenance import provenance

if TYPE_CHECKING:
    from lymphoscope.data import CellLeak
    from lymphoscope.model_file import Description

_LABEL_ERRORS_SHOWN = 24


def write_results(
    folder: RunFolder,
    title: str,
    metrics: Metrics,
    table: pd.DataFrame,
    manifest: Manifest,
    description: "Description | None",
    mistakes: list[Mistake],
    curves: pd.DataFrame | None = None,
) -> None:
    """Write metrics.json, the model card and, last, the report; `curves` are those of a training.

    All three state a leak that was allowed.
    """
    write_metrics(folder.metrics, metrics)
    if description is not None:
        from lymphoscope.model_file import model_card

        write_text(folder.card, model_card(description.model_copy(update={"scores": scores_for_card(metrics)})))
    notices = leak_notices(metrics.leakage, manifest) if metrics.leakage else []
    made = provenance()
    contents = ReportContents(
        title=title,
        metrics=metrics,
        predictions=table,
        description=description,
        curves=curves,
        parameters=description.parameters if description else None,
        data=data_summary(manifest.with_table(manifest.table, *notices)),
        mistakes=mistakes,
        command=made.command,
        commit=made.commit,
        device=made.device,
        date=made.date,
        thumbnails=_thumbnails(metrics),
    )
    write_report(folder.report, contents)


def write_metrics(path: Path, metrics: Metrics) -> None:
    """Write metrics.json atomically."""
    write_json(path, metrics.model_dump(mode="json"))


def read_metrics(path: Path) -> Metrics:
    """Read metrics.json."""
    return Metrics.model_validate_json(path.read_text(encoding="utf-8"))


def part_to_evaluate(manifest: Manifest, part: str | None) -> str | None:
    """The part of a split to evaluate: the requested one, else `test` where the data are split; None for all cells.

    Raises LymphoscopeError where a part is requested and the data are not split.
    """
    split = split_by(manifest.table) != "none"
    if part in (None, "all"):
        return "test" if split and part is None else None
    if not split:
        raise LymphoscopeError(f"--part {part}: the data are not split; `lymphoscope data split` makes one")
    return part


def scores_for_card(metrics: Metrics) -> dict[str, Any]:
    """What a model file records of its metrics, for its card: the vote, calibration, referral, subjects and leaks."""
    estimates = {name: estimate.model_dump(mode="json") for name, estimate in metrics.vote.estimates.items()}
    bootstrap = metrics.bootstrap.model_dump(mode="json")
    return {
        "cells": metrics.evaluated,
        "subjects": metrics.subjects,
        "bootstrap": bootstrap,
        **estimates,
        **_reliability(metrics),
    }


def _reliability(metrics: Metrics) -> dict[str, Any]:
    level, calibration, leakage = metrics.subject_level, metrics.calibration, metrics.leakage
    worst = metrics.per_subject[0] if metrics.per_subject else None
    entries = {
        "calibration": {name: error.model_dump(mode="json") for name, error in calibration.as_predicted.items()}
        if calibration
        else None,
        "referral": metrics.referral.model_dump(mode="json", exclude={"reasons"}),
        "worst_subject": worst.model_dump(mode="json") if worst else None,
        "subject_auc": level.auc.model_dump(mode="json") if level else None,
        "leaks": f"{leakage.leaking_cells} cells ({count_by_kind(leakage.leaks)})"
        if leakage and leakage.leaks
        else None,
        "leaks_unknown": leakage.reason if leakage else None,
    }
    return {name: value for name, value in entries.items() if value is not None}


def leak_notices(leakage: Leakage, manifest: Manifest) -> list[str]:
    """The notice for a page about leaking cells; none for a random split, which has its own."""
    declared = split_by(manifest.table) == "random" and all(leak.kind == "subject" for leak in leakage.leaks)
    if not leakage.leaks or declared:
        return []
    text = f"{leakage.leaking_cells} of these cells, or others of their subjects ({count_by_kind(leakage.leaks)})"
    return [f"LEAKAGE: the model was trained on {text}: the scores are too high. It was allowed by --allow-leak"]


def count_by_kind(leaks: "Sequence[CellLeak | Leak]") -> str:
    """How many leaks of each kind, in words."""
    tally = Counter(leak.kind for leak in leaks)
    return ", ".join(f"{number} by {kind}" for kind, number in sorted(tally.items()))


def _thumbnails(metrics: Metrics) -> dict[str, NDArray[np.uint8]]:
    """Images (H, W, 3) of the cells with the most errorful labels, of those that can be read."""
    errors = metrics.label_errors.flagged[:_LABEL_ERRORS_SHOWN] if metrics.label_errors else []
    images = {}
    for error in errors:
        with suppress(UnreadableImage, OSError):
            images[error.path] = read_image(error.path)
    return images
