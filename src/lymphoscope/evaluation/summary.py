"""The constant classifiers: what guessing one class for every cell would score.

Subject by subject: how many of one person's cells were called as labelled.

Predictions -> the content of metrics.json.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lymphoscope.evaluation.bootstrap import IntervalEstimate, MetricGroup, draw_bootstrap_samples, unit_names
from lymphoscope.evaluation.calibration import calibration_groups, calibration_section
from lymphoscope.evaluation.estimates import Estimate, Scores
from lymphoscope.evaluation.evaluation_set import EvaluationSet, scores_group, select_evaluation_set
from lymphoscope.evaluation.intervals import exact_interval, units_of
from lymphoscope.evaluation.metrics import METRICS, Floats, Outcomes, confusions, measure, why_undefined
from lymphoscope.evaluation.referral_outcomes import referral_group, referral_section
from lymphoscope.evaluation.risk_coverage import risk_coverage_group, risk_coverage_section
from lymphoscope.evaluation.roc import RocCurve, roc_curve
from lymphoscope.evaluation.schema import Confusion, LabelErrors, Metrics, SubjectLevel, SubjectScores

NO_INTERVAL = "a constant answer does not depend on the cells' pictures, only on their labels"


def constant_outcomes(outcomes: Outcomes, kind: int) -> Outcomes:
    """The same cells, every one called class `kind` with the same certainty."""
    scores = np.zeros_like(outcomes.scores)
    scores[:, kind] = 1.0
    return Outcomes(outcomes.truth, np.full_like(outcomes.truth, kind), scores, outcomes.classes, outcomes.blast)


def constant_scores(outcomes: Outcomes) -> dict[str, dict[str, float]]:
    """Class name -> metric -> value of always guessing it, NaN where undefined; AUC is 0.5 by construction.

    Some of Table 3's rows are such classifiers, so they stand beside every result.
    """
    ones: Floats = np.ones((1, len(outcomes.truth)))
    guesses = {name: constant_outcomes(outcomes, kind) for kind, name in enumerate(outcomes.classes)}
    return {name: {m: float(v[0]) for m, v in measure(guess, ones).items()} for name, guess in guesses.items()}


def constant_section(outcomes: Outcomes) -> dict[str, Scores]:
    """The section of metrics.json: the same by class name, without intervals."""
    reasons = {metric: why_undefined(metric, outcomes) for metric in METRICS}
    return {name: _without_intervals(values, reasons) for name, values in constant_scores(outcomes).items()}


def _without_intervals(values: Mapping[str, float], reasons: Mapping[str, str | None]) -> Scores:
    measured = {
        metric: Estimate(value=None if reasons[metric] else value, reason=reasons[metric] or NO_INTERVAL)
        for metric, value in values.items()
    }
    return Scores(**measured, cells=None, note=None)


def subject_scores(judged: EvaluationSet) -> list[SubjectScores]:
    """A row a subject, worst first; of equals the one with more cells, whose accuracy is the surer."""
    blast = judged.outcomes.blast
    blast_class = None if blast is None else judged.outcomes.classes[blast]
    rows = [_scores(str(name), cells, blast_class) for name, cells in judged.rows.groupby("subject", sort=True)]
    return sorted(rows, key=lambda row: (row.correct / row.cells, -row.cells, row.subject))


def _scores(subject: str, cells: pd.DataFrame, blast_class: str | None) -> SubjectScores:
    correct = int((cells["label"] == cells["predicted"]).sum())
    exact = exact_interval(correct, len(cells))
    return SubjectScores(
        subject=subject,
        label=", ".join(sorted(cells["label"].unique())),
        cells=len(cells),
        correct=correct,
        accuracy=Estimate(value=correct / len(cells), low=exact.low, high=exact.high),
        blast_fraction=None if blast_class is None else float((cells["predicted"] == blast_class).mean()),
    )


REPLICATES = 2000


def evaluate_predictions(
    table: pd.DataFrame,
    *,
    blast_class: str | None,
    replicates: int = REPLICATES,
    seed: int = 0,
    stated_miss_rate: float | None = None,
    subject_level: SubjectLevel | None = None,
    label_errors: LabelErrors | None = None,
    folds: list[Scores] | None = None,
) -> Metrics:
    """A predictions table -> its numbers; `model_dump(mode="json")` is metrics.json, which has no NaN.

    The vote, each stream on the cells that it saw, the constant classifiers, the subjects, referral, calibration and
    risk-coverage; a number that cannot be had is None beside its reason. `blast_class` is None where the model has
    none; `stated_miss_rate` is the one that its referral was fitted for. `subject_level`, `label_errors` and `folds`,
    made of the same table, are put in as they are. Raises LymphoscopeError when a label or `blast_class` is not one of
    the table's classes.
    """
    judged = select_evaluation_set(table, blast_class)
    draws = draw_bootstrap_samples(judged.rows, judged.outcomes, replicates=replicates, seed=seed)
    answers = draws.answer(_questions(judged))
    usable = table["predicted"].notna() & table["error"].isna()
    labels = list(judged.outcomes.classes)
    return Metrics(
        cells=len(table),
        evaluated=len(judged.rows),
        failed=int((~usable).sum()),
        unlabelled=int((usable & table["label"].isna()).sum()),
        subjects=int(judged.rows["subject"].nunique()),
        classes=labels,
        blast_class=blast_class,
        prevalence=_prevalence(judged),
        bootstrap=draws.described,
        vote=_scores_of_summary(answers["vote"]),
        streams={stream: _stream(judged, stream, answers[stream]) for stream in judged.streams},
        constant=constant_section(judged.outcomes),
        confusion=Confusion(labels=labels, matrix=_confusion(judged)),
        per_subject=subject_scores(judged),
        refer=referral_section(table, judged, answers["referral"], stated_miss_rate),
        calibration=calibration_section(judged, answers),
        risk_coverage=risk_coverage_section(judged, answers["risk_coverage"]),
        subject_level=subject_level,
        label_errors=label_errors,
        folds=folds,
    )


def roc_of_predictions(table: pd.DataFrame, *, blast_class: str | None, seed: int = 0) -> RocCurve | None:
    """The ROC curve of the blast class's score, its band drawn over the same units as `evaluate_predictions` draws.

    None where no evaluated cell is a blast, or every one, or where there is no blast class.
    """
    judged = select_evaluation_set(table, blast_class)
    return roc_curve(judged.outcomes, units_of(unit_names(judged.rows), judged.outcomes), seed=seed)


def _questions(judged: EvaluationSet) -> dict[str, MetricGroup]:
    """All that is measured with the one set of draws; a stream's name is the question after its scores."""
    every = np.ones(len(judged.rows), dtype=bool)
    return {
        "vote": scores_group(judged.outcomes, every),
        **{stream: scores_group(judged.of_stream(stream), seen) for stream, seen in judged.streams.items()},
        "referral": referral_group(judged),
        **calibration_groups(judged),
        "risk_coverage": risk_coverage_group(judged),
    }


def _scores_of_summary(
    answers: dict[str, IntervalEstimate], cells: int | None = None, note: str | None = None
) -> Scores:
    return Scores(**{metric: answer.measured for metric, answer in answers.items()}, cells=cells, note=note)


def _stream(judged: EvaluationSet, stream: str, answers: dict[str, IntervalEstimate]) -> Scores:
    seen = judged.streams[stream]
    note = f"on the {seen.sum()} of {len(seen)} cells for which this stream was run"
    return _scores_of_summary(answers, int(seen.sum()), None if seen.all() else note)


def _prevalence(judged: EvaluationSet) -> float | None:
    blasts = judged.outcomes.is_blast
    return None if judged.outcomes.blast is None or len(blasts) == 0 else float(blasts.mean())


def _confusion(judged: EvaluationSet) -> list[list[int]]:
    matrix: list[list[int]] = confusions(judged.outcomes, np.ones((1, len(judged.rows))))[0].astype(int).tolist()
    return matrix
