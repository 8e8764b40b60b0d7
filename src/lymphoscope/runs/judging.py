"""A predictions table and what is known of its making -> the whole of metrics.json."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from lymphoscope.evaluation import (
    REPLICATES,
    Leakage,
    Metrics,
    Scores,
    SubjectLevel,
    classes_of,
    evaluate_predictions,
    evaluate_subjects,
    find_label_errors,
)

if TYPE_CHECKING:
    from lymphoscope.model_file import Description


@dataclass(frozen=True)
class EvaluationOptions:
    """How numbers are made: bootstrap replicates, and the percentage of blasts that subjects are held against."""

    replicates: int = REPLICATES
    stated_percentage: float = 20.0


DEFAULT_OPTIONS = EvaluationOptions()


def judge(
    table: pd.DataFrame,
    *,
    blast_class: str | None,
    leakage: Leakage | None,
    out_of_fold: bool,
    how: EvaluationOptions = DEFAULT_OPTIONS,
    stated_miss_rate: float | None = None,
    folds: list[Scores] | None = None,
) -> Metrics:
    """Judge predictions: scores, subjects, doubtful labels, and the leaks that were found.

    `out_of_fold` says that no model scored a cell that it, or a subject whom it, had been trained on. Raises
    LymphoscopeError for labels and a blast class that the table does not score.
    """
    metrics = evaluate_predictions(
        table,
        blast_class=blast_class,
        replicates=how.replicates,
        stated_miss_rate=stated_miss_rate,
        subject_level=_subject_level(table, blast_class, how),
        label_errors=find_label_errors(table, held_out=out_of_fold),
        folds=folds,
    )
    return metrics.model_copy(update={"leakage": leakage})


def is_held_out(leakage: Leakage) -> bool:
    """Whether it was looked for everything that training could share with the judged cells, and nothing was found."""
    return leakage.reason is None and not leakage.leaks


def without_leaks(table: pd.DataFrame, metrics: Metrics) -> Metrics:
    """The same metrics, with the scores of the cells that do not leak put beside them."""
    leakage = metrics.leakage
    if leakage is None or not leakage.leaks:
        return metrics
    new = table[~table["path"].isin([leak.path for leak in leakage.leaks])]
    if new["label"].notna().any():
        drawn = metrics.bootstrap
        scores = evaluate_predictions(
            new, blast_class=metrics.blast_class, replicates=drawn.replicates, seed=drawn.seed
        ).vote.model_copy(update={"cells": len(new)})
        return metrics.model_copy(update={"leakage": leakage.model_copy(update={"scores_without_leaks": scores})})
    told = leakage.model_copy(update={"reason": "every judged cell leaks, so none is left to judge without"})
    return metrics.model_copy(update={"leakage": told})


def stated_miss_rate_of(description: "Description") -> float | None:
    """The share of blasts that the model's referral was fitted to sign off as normal at most; None where none was."""
    band = description.referral.band
    return band.miss_rate if band is not None and "score" in description.referral.rules else None


def _subject_level(table: pd.DataFrame, blast_class: str | None, how: EvaluationOptions) -> SubjectLevel | None:
    if blast_class is None or blast_class not in classes_of(table):
        return None
    return evaluate_subjects(
        table, blast_class=blast_class, blast_threshold=how.stated_percentage, replicates=how.replicates
    )
