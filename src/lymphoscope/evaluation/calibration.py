"""How far a score is a probability: temperature scaling, calibration errors, and calibration intercept and slope.

CALIBRATION_METRICS is the registry of these numbers. Scores closer to 0 or 1 than a float32 can tell are taken as that
close in log loss and temperature.
"""

from collections.abc import Mapping
from functools import partial
from typing import Final

import numpy as np
import pandas as pd
from scipy import optimize, special

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation.bootstrap import MetricGroup
from lymphoscope.evaluation.estimates import Estimate
from lymphoscope.evaluation.evaluation_set import EvaluationSet, metric_group
from lymphoscope.evaluation.logistic import SMALLEST_SCORE, exceptional_calibration, logistic_calibration
from lymphoscope.evaluation.metrics import Metric, metric
from lymphoscope.evaluation.outcomes import Floats, Indices, Outcomes, WeightedOutcomes, ratio
from lymphoscope.evaluation.schema import Bin, Calibration
from lymphoscope.vocabulary import STREAMS

BINS: Final = 15
BINNING: Final = (
    f"{BINS} bins of equal width over the score of the predicted class, 0 to 1; the gap between mean score and "
    "accuracy in each bin is weighted by its number of cells"
)
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.2, 20.0

CALIBRATION_METRICS: Final[dict[str, Metric]] = {}
"""Every number about calibration, by name; of errors lower is better."""


def fit_temperature(scores: Floats, truth: Indices) -> float:
    """Return the temperature T that minimises the log loss of softmax(log(scores) / T).

    scores (N, K) in 0-1, truth (N,). T is above 1 for overconfident scores. It stays within MIN_TEMPERATURE and
    MAX_TEMPERATURE: the optimum is 0 for cells that the scores separate completely, and infinite for scores without
    information. Raises LymphoscopeError without cells.
    """
    if len(truth) == 0:
        raise LymphoscopeError("no cells to fit a temperature on: give labelled cells of calibration subjects")
    logits = np.log(np.clip(scores, SMALLEST_SCORE, 1))
    true = logits[np.arange(len(truth)), truth]

    def slope(sharpness: float) -> float:
        """The derivative of the mean log loss by 1 / T; it never falls, because the loss is convex."""
        return float((special.softmax(sharpness * logits, axis=1) * logits).sum(axis=1).mean() - true.mean())

    if slope(1 / MIN_TEMPERATURE) <= 0:
        return MIN_TEMPERATURE
    if slope(1 / MAX_TEMPERATURE) >= 0:
        return MAX_TEMPERATURE
    return 1 / float(optimize.brentq(slope, 1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE, xtol=1e-10))


def mean_of_streams(rows: pd.DataFrame, classes: tuple[str, ...]) -> Floats:
    """(N, K) the mean softmax of the streams that ran, uncalibrated; the score itself where no stream is in the row."""
    by_stream = [rows[[f"{stream}_{name}" for name in classes]].to_numpy(np.float64) for stream in STREAMS]
    ran = np.array([~np.isnan(softmax).any(axis=1) for softmax in by_stream])  # (streams, N)
    total = sum((np.where(np.isnan(softmax), 0, softmax) for softmax in by_stream), np.zeros(by_stream[0].shape))
    scores = rows[[f"score_{name}" for name in classes]].to_numpy(np.float64)
    some = np.asarray(ran.any(axis=0))[:, None]
    return np.where(some, total / np.maximum(ran.sum(axis=0), 1)[:, None], scores)


@metric(
    "Expected calibration error",
    "the gap between score and accuracy, averaged over bins of the score; from few cells it comes out too high.",
    scale="biased",
    worst=1.0,
    registry=CALIBRATION_METRICS,
)
def ece(cells: WeightedOutcomes) -> Floats:
    """Mean gap between score and accuracy over BINS bins of equal width (Guo et al. 2017)."""
    outcomes = cells.outcomes
    gaps = np.zeros((len(outcomes.truth), BINS))
    gaps[np.arange(len(gaps)), bins_of(outcomes.predicted_score)] = outcomes.correct - outcomes.predicted_score
    return np.asarray(np.abs(cells.weights.mean(gaps)).sum(axis=1))


@metric(
    "Brier score",
    "the mean squared distance between the scores and the label, 0 to 1.",
    scale="bounded",
    worst=1.0,
    registry=CALIBRATION_METRICS,
)
def brier(cells: WeightedOutcomes) -> Floats:
    """Sum of squares over the classes, halved, so that it lies in 0-1 (scikit-learn's `scale_by_half`)."""
    outcomes = cells.outcomes
    squares = ((outcomes.scores - np.eye(len(outcomes.classes))[outcomes.truth]) ** 2).sum(axis=1) / 2
    return cells.weights.mean(squares[:, None])[:, 0]


@metric(
    "Log loss",
    "the mean of -log(score of the label), in nats.",
    scale="positive",
    worst=3.0,  # a score of 0.05 for the label
    registry=CALIBRATION_METRICS,
)
def log_loss(cells: WeightedOutcomes) -> Floats:
    """Mean negative logarithm of the score of the true class, in nats."""
    outcomes = cells.outcomes
    true = outcomes.scores[np.arange(len(outcomes.truth)), outcomes.truth]
    return cells.weights.mean(-np.log(np.maximum(true, SMALLEST_SCORE))[:, None])[:, 0]


@metric(
    "Calibration error without bias",
    "the root mean squared gap between score and accuracy over the bins of the expected calibration error, less what "
    "chance adds where subjects are few; 0 where chance alone explains the gaps.",
    scale="biased",
    registry=CALIBRATION_METRICS,
)
def debiased_calibration_error(cells: WeightedOutcomes) -> Floats:
    """The debiased squared error of Kumar et al. (2019), over pairs of different units in place of cells.

    The square of a gap is estimated by products of the gaps of different units, which share no chance.
    """
    outcomes, weights = cells.outcomes, cells.weights
    hot = np.zeros((len(outcomes.truth), BINS))
    hot[np.arange(len(hot)), bins_of(outcomes.predicted_score)] = weights.fixed
    gaps, sizes = (
        weights.by_unit(hot * values[:, None])
        for values in (outcomes.correct - outcomes.predicted_score, np.ones(len(hot)))
    )
    squares, pairs = (_of_different_units(weights.of_unit, values) for values in (gaps, sizes))  # (R, BINS)
    share = ratio(weights.of_unit @ sizes, (weights.of_unit @ sizes).sum(axis=1, keepdims=True))
    return np.asarray(np.sqrt(np.maximum(0, (share * np.nan_to_num(ratio(squares, pairs))).sum(axis=1))))


def _of_different_units(weights: Floats, values: Floats) -> Floats:
    """(R, C) the sum over pairs of different units of the products of their weighted `values` (U, C)."""
    return np.asarray((weights @ values) ** 2 - weights**2 @ values**2)


@metric(
    "Calibration intercept",
    "how many log odds all scores for \u201c{positive}\u201d are too low (above 0) or too high (below 0); 0 is best.",
    needs="one class and others",
    scale="coefficient",
    worst=None,
    exceptional=partial(exceptional_calibration, fit_slope=False),
    registry=CALIBRATION_METRICS,
)
def calibration_intercept(cells: WeightedOutcomes) -> Floats:
    """Calibration in the large: the intercept of a logistic regression whose slope is 1 (Van Calster et al. 2019)."""
    return logistic_calibration(cells, fit_slope=False)[0]


@metric(
    "Calibration slope",
    "the factor by which log odds of \u201c{positive}\u201d should be multiplied: below 1 the scores are too extreme, "
    "above 1 not extreme enough; 1 is best.",
    needs="one class and others",
    scale="coefficient",
    worst=None,
    exceptional=partial(exceptional_calibration, fit_slope=True),
    registry=CALIBRATION_METRICS,
)
def calibration_slope(cells: WeightedOutcomes) -> Floats:
    """The slope of a logistic regression of the label on the log odds of the score (Cox 1958)."""
    return logistic_calibration(cells, fit_slope=True)[1]


def bins_of(scores: Floats) -> Indices:
    """The bin (N,) of each score; a score on an edge falls into the upper bin, 1 into the last."""
    return np.minimum((scores * BINS).astype(np.int64), BINS - 1)


def calibration_group(outcomes: Outcomes) -> MetricGroup:
    """Every calibration error, of all cells."""
    return metric_group(outcomes, np.ones(len(outcomes.truth), dtype=bool), CALIBRATION_METRICS)


def calibration_groups(evaluated: EvaluationSet) -> dict[str, MetricGroup]:
    """The errors of the scores as predicted, and of the streams' mean softmax."""
    outcomes = evaluated.outcomes
    plain = Outcomes(
        outcomes.truth,
        outcomes.predicted,
        mean_of_streams(evaluated.rows, outcomes.classes),
        outcomes.classes,
        outcomes.positive_index,
    )
    return {"as_predicted": calibration_group(outcomes), "uncalibrated": calibration_group(plain)}


def calibration_section(evaluated: EvaluationSet, estimates: Mapping[str, Mapping[str, Estimate]]) -> Calibration:
    """The section of metrics.json, from the estimates of `calibration_groups`."""
    return Calibration(
        binning=BINNING,
        as_predicted=dict(estimates["as_predicted"]),
        uncalibrated=dict(estimates["uncalibrated"]),
        bins=reliability(evaluated.outcomes),
    )


def reliability(outcomes: Outcomes) -> list[Bin]:
    """The bins of the reliability diagram that hold a cell."""
    scores, correct = outcomes.predicted_score, outcomes.correct
    bin_of_cell = bins_of(scores)
    return [
        Bin(
            low=index / BINS,
            high=(index + 1) / BINS,
            cells=int((bin_of_cell == index).sum()),
            score=float(scores[bin_of_cell == index].mean()),
            correct=float(correct[bin_of_cell == index].mean()),
        )
        for index in np.unique(bin_of_cell)
    ]
