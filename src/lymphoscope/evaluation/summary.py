"""Predictions -> the content of metrics.json: the vote, streams, constant baselines, subjects and every section."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lymphoscope.evaluation.bootstrap import MetricGroup, draw_bootstrap_samples
from lymphoscope.evaluation.calibration import calibration_groups, calibration_section
from lymphoscope.evaluation.estimates import Estimate, Scores
from lymphoscope.evaluation.evaluation_set import (
    EvaluationSet,
    metric_group,
    select_evaluation_set,
    weights_of_subject_means,
)
from lymphoscope.evaluation.intervals import exact_interval
from lymphoscope.evaluation.metrics import METRICS, UNDEFINED
from lymphoscope.evaluation.outcomes import Outcomes, WeightedOutcomes
from lymphoscope.evaluation.predictions import has_prediction
from lymphoscope.evaluation.predictive_value import predictive_values
from lymphoscope.evaluation.referral_outcomes import referral_group, referral_section
from lymphoscope.evaluation.risk_coverage import risk_coverage_group, risk_coverage_section
from lymphoscope.evaluation.roc import RocCurve, roc_curve
from lymphoscope.evaluation.schema import Confusion, LabelErrors, Metrics, SubjectLevel, SubjectScores, SubjectSpread

REPLICATES = 2000
_CURVE_REPLICATES = 400
NO_INTERVAL = "a constant prediction does not depend on the images, only on the labels"


def evaluate_predictions(
    table: pd.DataFrame,
    *,
    blast_class: str | None,
    replicates: int = REPLICATES,
    seed: int = 0,
    stated_miss_rate: float | None = None,
    promise: Sequence[str] = (),
    subject_level: SubjectLevel | None = None,
    label_errors: LabelErrors | None = None,
    folds: list[Scores] | None = None,
) -> Metrics:
    """Evaluate a predictions table; `model_dump(mode="json")` of the result is metrics.json, which has no NaN.

    Computes the scores of the vote, of each stream on its cells and of the constant baselines, the subjects, referral,
    calibration and risk-coverage; an undefined number is None with the reason. `blast_class` is None where the model
    has none; `stated_miss_rate` is the one that its referral promises, and `promise` says so in sentences.
    `subject_level`, `label_errors` and `folds`, made from the same table, are included unchanged. Raises
    LymphoscopeError when a label or `blast_class` is not one of the table's classes.
    """
    evaluated = select_evaluation_set(table, blast_class)
    samples = draw_bootstrap_samples(evaluated.rows, evaluated.outcomes, replicates=replicates, seed=seed)
    estimates = samples.estimate(_metric_groups(evaluated))
    predicted = has_prediction(table)
    return Metrics(
        cells=len(table),
        evaluated=len(evaluated.rows),
        failed=int((~predicted).sum()),
        unlabelled=int((predicted & table["label"].isna()).sum()),
        subjects=int(evaluated.rows["subject"].nunique()),
        classes=list(evaluated.outcomes.classes),
        blast_class=blast_class,
        prevalence=_prevalence(evaluated.outcomes),
        bootstrap=samples.bootstrap,
        vote=Scores(estimates=estimates["vote"]),
        subject_mean=Scores(estimates=estimates["subject_mean"]) if "subject_mean" in estimates else None,
        subject_spread=subject_spread(evaluated),
        streams={stream: _stream_scores(evaluated, stream, estimates[stream]) for stream in evaluated.streams},
        constant_baselines=constant_baselines(evaluated.outcomes),
        confusion=_confusion(evaluated.outcomes),
        per_subject=subject_scores(evaluated),
        referral=referral_section(table, evaluated, estimates["referral"], stated_miss_rate, promise),
        predictive_values=predictive_values(
            evaluated, estimates["vote"]["sensitivity"], estimates["vote"]["specificity"]
        ),
        calibration=calibration_section(evaluated, estimates),
        risk_coverage=risk_coverage_section(evaluated, estimates["risk_coverage"]),
        subject_level=subject_level,
        label_errors=label_errors,
        folds=folds,
    )


def roc_of_predictions(table: pd.DataFrame, *, blast_class: str | None, seed: int = 0) -> RocCurve | None:
    """The ROC curve of the score of the blast class, its band drawn over the units of `evaluate_predictions`.

    None where no evaluated cell is a blast, or every one, or where there is no blast class.
    """
    evaluated = select_evaluation_set(table, blast_class)
    samples = draw_bootstrap_samples(evaluated.rows, evaluated.outcomes, replicates=_CURVE_REPLICATES, seed=seed)
    return roc_curve(evaluated.outcomes, samples)


def constant_outcomes(outcomes: Outcomes, class_index: int) -> Outcomes:
    """The same cells, all predicted as one class with score 1."""
    scores = np.zeros_like(outcomes.scores)
    scores[:, class_index] = 1.0
    predicted = np.full_like(outcomes.truth, class_index)
    return Outcomes(outcomes.truth, predicted, scores, outcomes.classes, outcomes.positive_index)


def constant_baselines(outcomes: Outcomes) -> dict[str, Scores]:
    """The scores of always predicting one class, by class, without intervals; AUC is 0.5 by construction.

    Some rows of the paper's Table 3 are such classifiers, so every result is shown next to them.
    """
    return {name: _constant(constant_outcomes(outcomes, index)) for index, name in enumerate(outcomes.classes)}


def subject_scores(evaluated: EvaluationSet) -> list[SubjectScores]:
    """One entry per subject, lowest accuracy first; of equal ones, that with more cells first."""
    index, classes = evaluated.outcomes.positive_index, evaluated.outcomes.classes
    blast_class = None if index is None else classes[index]
    rows = [_one_subject(str(name), cells, blast_class) for name, cells in evaluated.rows.groupby("subject", sort=True)]
    return sorted(rows, key=lambda row: (row.correct / row.cells, -row.cells, row.subject))


def subject_spread(evaluated: EvaluationSet) -> dict[str, SubjectSpread]:
    """Sensitivity over the subjects with positive cells, specificity over those with negative cells, where defined."""
    outcomes = evaluated.outcomes
    if outcomes.positive_index is None:
        return {}
    right = np.where(outcomes.is_positive, outcomes.correct, outcomes.predicted != outcomes.positive_index)
    spreads = {}
    for name in ("sensitivity", "specificity"):
        cells = METRICS[name].depends_on(outcomes) & evaluated.rows["subject"].notna().to_numpy()
        values = pd.Series(right[cells], dtype=float).groupby(evaluated.rows["subject"].to_numpy()[cells]).mean()
        if len(values):
            spreads[name] = SubjectSpread(
                subjects=len(values),
                mean=float(values.mean()),
                standard_deviation=float(values.std()) if len(values) > 1 else None,
                lowest=float(values.min()),
                median=float(values.median()),
                highest=float(values.max()),
            )
    return spreads


def _one_subject(subject: str, cells: pd.DataFrame, blast_class: str | None) -> SubjectScores:
    correct = int((cells["label"] == cells["predicted"]).sum())
    low, high = exact_interval(correct, len(cells))
    return SubjectScores(
        subject=subject,
        label=", ".join(sorted(cells["label"].unique())),
        cells=len(cells),
        correct=correct,
        accuracy=Estimate(value=correct / len(cells), low=low, high=high),
        blast_fraction=None if blast_class is None else float((cells["predicted"] == blast_class).mean()),
    )


def _constant(outcomes: Outcomes) -> Scores:
    weighted, estimates = WeightedOutcomes.unweighted(outcomes), {}
    for name, metric in METRICS.items():
        value = float(metric.compute(weighted)[0])
        undefined = metric.why_undefined(outcomes) or (UNDEFINED if np.isnan(value) else None)
        estimates[name] = Estimate(value=None if undefined else value, reason=undefined or NO_INTERVAL)
    return Scores(estimates=estimates)


def _metric_groups(evaluated: EvaluationSet) -> dict[str, MetricGroup]:
    """Everything that is estimated from the one set of bootstrap samples; the group of a stream has its name."""
    every, per_subject = np.ones(len(evaluated.rows), dtype=bool), weights_of_subject_means(evaluated)
    of_subjects = {} if per_subject is None else {"subject_mean": per_subject}
    return {
        "vote": metric_group(evaluated.outcomes, every),
        **{name: metric_group(evaluated.outcomes, every, METRICS, weights) for name, weights in of_subjects.items()},
        **{stream: metric_group(evaluated.of_stream(stream), cells) for stream, cells in evaluated.streams.items()},
        "referral": referral_group(evaluated),
        **calibration_groups(evaluated),
        "risk_coverage": risk_coverage_group(evaluated),
    }


def _stream_scores(evaluated: EvaluationSet, stream: str, estimates: dict[str, Estimate]) -> Scores:
    cells = evaluated.streams[stream]
    note = f"on the {cells.sum()} of {len(cells)} cells for which this stream was run"
    return Scores(estimates=estimates, cells=int(cells.sum()), note=None if cells.all() else note)


def _prevalence(outcomes: Outcomes) -> float | None:
    positive = outcomes.is_positive
    return None if outcomes.positive_index is None or len(positive) == 0 else float(positive.mean())


def _confusion(outcomes: Outcomes) -> Confusion:
    matrix = WeightedOutcomes.unweighted(outcomes).confusions[0].astype(int).tolist()
    return Confusion(labels=list(outcomes.classes), matrix=matrix)
