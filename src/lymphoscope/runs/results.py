"""A table of predictions -> metrics.json, the model card and the report. Needs neither a model nor torch."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.data import Manifest, data_summary, split_by
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import (
    REPLICATES,
    Leak,
    Leakage,
    Metrics,
    Scores,
    SubjectLevel,
    classes_of,
    evaluate_predictions,
    evaluate_subjects,
    find_label_errors,
)
from lymphoscope.files import write_text
from lymphoscope.reports import Mistake, ReportContents, write_report
from lymphoscope.runs.provenance import current_provenance
from lymphoscope.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from lymphoscope.data import CellLeak
    from lymphoscope.model_file import Description

_MAX_LABEL_ERRORS = 24


@dataclass(frozen=True)
class EvaluationOptions:
    """Options of the metrics: bootstrap replicates, and the percentage of blasts that subjects are compared with."""

    replicates: int = REPLICATES
    blast_threshold: float = 20.0


DEFAULT_OPTIONS = EvaluationOptions()


def compute_metrics(
    predictions: pd.DataFrame,
    *,
    blast_class: str | None,
    leakage: Leakage | None,
    held_out: bool,
    options: EvaluationOptions = DEFAULT_OPTIONS,
    stated_miss_rate: float | None = None,
    promise: Sequence[str] = (),
    folds: list[Scores] | None = None,
) -> Metrics:
    """Compute all metrics of a table of predictions: scores, subjects, label errors and leaks.

    `held_out` states that no cell was scored by a model that was trained on its subject. Raises LymphoscopeError for
    labels and a blast class that the table does not score.
    """
    metrics = evaluate_predictions(
        predictions,
        blast_class=blast_class,
        replicates=options.replicates,
        stated_miss_rate=stated_miss_rate,
        promise=promise,
        subject_level=_subject_level(predictions, blast_class, options),
        label_errors=find_label_errors(predictions, held_out=held_out),
        folds=folds,
    )
    return metrics.model_copy(update={"leakage": leakage})


def _subject_level(
    predictions: pd.DataFrame, blast_class: str | None, options: EvaluationOptions
) -> SubjectLevel | None:
    if blast_class is None or blast_class not in classes_of(predictions):
        return None
    return evaluate_subjects(
        predictions,
        blast_class=blast_class,
        blast_threshold=options.blast_threshold,
        replicates=options.replicates,
    )


def with_scores_without_leaks(predictions: pd.DataFrame, metrics: Metrics) -> Metrics:
    """Return the metrics with the scores of the cells that do not leak added to their leakage."""
    leakage = metrics.leakage
    if leakage is None or not leakage.leaks:
        return metrics
    rest = predictions[~predictions["path"].isin([leak.path for leak in leakage.leaks])]
    if rest["label"].notna().any():
        bootstrap = metrics.bootstrap
        scores = evaluate_predictions(
            rest, blast_class=metrics.blast_class, replicates=bootstrap.replicates, seed=bootstrap.seed
        ).vote.model_copy(update={"cells": len(rest)})
        return metrics.model_copy(update={"leakage": leakage.model_copy(update={"scores_without_leaks": scores})})
    explained = leakage.model_copy(update={"reason": "every evaluated cell leaks, so none is left without leaks"})
    return metrics.model_copy(update={"leakage": explained})


def write_results(
    folder: RunFolder,
    title: str,
    metrics: Metrics,
    predictions: pd.DataFrame,
    manifest: Manifest,
    description: "Description | None" = None,
    mistakes: list[Mistake] | None = None,
    curves: pd.DataFrame | None = None,
) -> None:
    """Write metrics.json, the model card and, last, the report; `curves` are those of a training.

    All three are marked if a leak was allowed.
    """
    notices = leak_notices(metrics.leakage, manifest) if metrics.leakage else []
    data = data_summary(manifest.with_table(manifest.table, *notices))
    folder.write_metrics(metrics)
    if description is not None:
        from lymphoscope.model_file import model_card

        write_text(folder.card, model_card(description.model_copy(update={"scores": card_scores(metrics)})))
    origin = current_provenance()
    contents = ReportContents(
        title=title,
        metrics=metrics,
        predictions=predictions,
        description=description,
        curves=curves,
        parameters=description.parameters if description else None,
        data=data,
        mistakes=mistakes or [],
        command=origin.command,
        commit=origin.commit,
        device=origin.device,
        date=origin.date,
        thumbnails=_thumbnails(metrics),
    )
    write_report(folder.report, contents)


def _thumbnails(metrics: Metrics) -> dict[str, NDArray[np.uint8]]:
    """Return images (H, W, 3) of the most likely label errors, of those that can be read."""
    suspects = metrics.label_errors.flagged[:_MAX_LABEL_ERRORS] if metrics.label_errors else []
    if not suspects:
        return {}
    from lymphoscope.data import UnreadableImage, read_image

    images = {}
    for suspect in suspects:
        with suppress(UnreadableImage, OSError):
            images[suspect.path] = read_image(suspect.path)
    return images


def card_scores(metrics: Metrics) -> dict[str, Any]:
    """Return the part of the metrics that a model file keeps for its card."""
    estimates = {name: estimate.model_dump(mode="json") for name, estimate in metrics.vote.estimates.items()}
    level, calibration, leakage = metrics.subject_level, metrics.calibration, metrics.leakage
    worst = metrics.per_subject[0] if metrics.per_subject else None
    optional = {
        "calibration": {name: error.model_dump(mode="json") for name, error in calibration.as_predicted.items()}
        if calibration
        else None,
        "referral": metrics.referral.model_dump(mode="json", exclude={"reasons"}),
        "worst_subject": worst.model_dump(mode="json") if worst else None,
        "subject_auc": level.auc.model_dump(mode="json") if level else None,
        "leaks": f"{leakage.leaking_cells} cells ({count_leaks(leakage.leaks)})" if leakage and leakage.leaks else None,
        "leaks_unknown": leakage.reason if leakage else None,
    }
    return {
        "cells": metrics.evaluated,
        "subjects": metrics.subjects,
        "bootstrap": metrics.bootstrap.model_dump(mode="json"),
        **estimates,
        "confusion": metrics.confusion.model_dump(mode="json"),
        **{name: value for name, value in optional.items() if value is not None},
    }


def leak_notices(leakage: Leakage, manifest: Manifest) -> list[str]:
    """Return the notices of a report on leaking cells; a random split has its own notice."""
    is_declared = split_by(manifest.table) == "random" and all(leak.kind == "subject" for leak in leakage.leaks)
    if not leakage.leaks or is_declared:
        return []
    cells = f"{leakage.leaking_cells} of these cells, or others of their subjects ({count_leaks(leakage.leaks)})"
    how = "It was allowed by --allow-leak" if leakage.allowed else "A table that is scored is not refused for its leaks"
    return [f"LEAKAGE: the model was trained on {cells}: the scores are too high. {how}"]


def count_leaks(leaks: "Sequence[CellLeak | Leak]") -> str:
    """Return the number of leaks of each kind, as text."""
    tally = Counter(leak.kind for leak in leaks)
    return ", ".join(f"{number} by {kind}" for kind, number in sorted(tally.items()))


def part_to_evaluate(manifest: Manifest, part: str | None) -> str | None:
    """Return the part of a split to evaluate: `part`, else `test` of split data; None for all cells.

    Raises LymphoscopeError if a part is requested and the data are not split.
    """
    is_split = split_by(manifest.table) != "none"
    if part in (None, "all"):
        return "test" if is_split and part is None else None
    if not is_split:
        raise LymphoscopeError(f"--part {part}: the data are not split; `lymphoscope data split` makes a split")
    return part
