"""Whether a score is a probability: temperature scaling, expected calibration error, Brier score and log loss.

ECE has 15 bins of equal width over the score of the called class, each weighed by its cells (Guo et al. 2017; so has
torchmetrics by default, where the called class is the highest score). The Brier score is the sum of squares over the
classes, halved: 0-1, and with two classes the familiar (p - y) ** 2 (scikit-learn's `scale_by_half`). The log loss is
in nats. Scores below what a float32 can tell from 1 count as that in log loss and temperature.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from scipy import optimize, special

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation.bootstrap import IntervalEstimate, MetricGroup, MetricSpec
from lymphoscope.evaluation.evaluation_set import EvaluationSet
from lymphoscope.evaluation.metrics import NO_CELLS, Floats, Indices, Outcomes, ratio
from lymphoscope.evaluation.schema import Bin, Calibration, CalibrationErrors
from lymphoscope.vocabulary import STREAMS

BINS: Final = 15
BINNING: Final = (
    f"{BINS} bins of equal width over the score of the called class, 0 to 1; each bin's gap between mean score and "
    "share right is weighed by its cells"
)
COLDEST, HOTTEST = 0.2, 20.0
_SMALLEST = float(np.finfo(np.float32).eps)
ERRORS: Final = ("ece", "brier", "log_loss")


def fit_temperature(scores: Floats, truth: Indices) -> float:
    """The temperature T that makes softmax(log(scores) / T) of least log loss; scores (N, K) 0-1, truth (N,).

    Above 1 the scores were too sure. T stays within COLDEST and HOTTEST: cells that the scores separate wholly would
    have it 0, and scores that say nothing, or the contrary, infinite. Raises LymphoscopeError without cells.
    """
    if len(truth) == 0:
        raise LymphoscopeError("no cells to fit a temperature on: give labelled cells of inner subjects")
    logits = _logits(scores)
    true = logits[np.arange(len(truth)), truth]

    def slope(sharpness: float) -> float:
        """The derivative of the mean log loss by 1 / T; it never falls, as the loss is convex."""
        return float((special.softmax(sharpness * logits, axis=1) * logits).sum(axis=1).mean() - true.mean())

    if slope(1 / COLDEST) <= 0:
        return COLDEST
    if slope(1 / HOTTEST) >= 0:
        return HOTTEST
    return 1 / float(optimize.brentq(slope, 1 / HOTTEST, 1 / COLDEST, xtol=1e-10))


def mean_of_streams(rows: pd.DataFrame, classes: tuple[str, ...]) -> Floats:
    """(N, K) the mean softmax of the streams that ran, uncalibrated; the score itself where no stream is noted."""
    by_stream = [rows[[f"{stream}_{name}" for name in classes]].to_numpy(np.float64) for stream in STREAMS]
    ran = np.array([~np.isnan(softmax).any(axis=1) for softmax in by_stream])  # (streams, N)
    total = sum((np.where(np.isnan(softmax), 0, softmax) for softmax in by_stream), np.zeros(by_stream[0].shape))
    scores = rows[[f"score_{name}" for name in classes]].to_numpy(np.float64)
    some = np.asarray(ran.any(axis=0))[:, None]
    return np.where(some, total / np.maximum(ran.sum(axis=0), 1)[:, None], scores)


def calibration_errors(outcomes: Outcomes, weights: Floats) -> dict[str, Floats]:
    """ERRORS under weights (R, N) -> name: (R,), NaN where there is no cell."""
    return _errors_of(_losses(outcomes), weights)


def bins_of(called: Floats) -> Indices:
    """The bin (N,) of each score of a called class; a score on an edge falls into the upper bin, 1 into the last."""
    return np.minimum((called * BINS).astype(np.int64), BINS - 1)


def reliability(judged: EvaluationSet) -> list[Bin]:
    """The bins of the reliability diagram that hold a cell."""
    of_cell = bins_of(judged.called)
    return [
        Bin(
            low=index / BINS,
            high=(index + 1) / BINS,
            cells=int((of_cell == index).sum()),
            score=float(judged.called[of_cell == index].mean()),
            correct=float((~judged.wrong[of_cell == index]).mean()),
        )
        for index in np.unique(of_cell)
    ]


def calibration_groups(judged: EvaluationSet) -> dict[str, MetricGroup]:
    """The errors of the scores as predicted and as the streams' plain mean softmax."""
    outcomes = judged.outcomes
    plain = Outcomes(
        outcomes.truth,
        outcomes.predicted,
        mean_of_streams(judged.rows, outcomes.classes),
        outcomes.classes,
        outcomes.blast,
    )
    return {"as_predicted": calibration_error_group(outcomes), "uncalibrated": calibration_error_group(plain)}


def calibration_error_group(outcomes: Outcomes) -> MetricGroup:
    """ERRORS of all cells."""
    every = np.ones(len(outcomes.truth), dtype=bool)
    undefined = None if len(every) else NO_CELLS
    quantities = {
        "ece": MetricSpec(every, "biased", undefined),
        "brier": MetricSpec(every, "bounded", undefined),
        "log_loss": MetricSpec(every, "positive", undefined),
    }
    losses = _losses(outcomes)
    return MetricGroup(lambda weights: _errors_of(losses, weights), quantities)


def calibration_section(judged: EvaluationSet, answers: Mapping[str, Mapping[str, IntervalEstimate]]) -> Calibration:
    """The section of metrics.json, from the answers to `calibration_groups`."""
    return Calibration(
        binning=BINNING,
        as_predicted=_errors(answers["as_predicted"]),
        uncalibrated=_errors(answers["uncalibrated"]),
        bins=reliability(judged),
    )


def _losses(outcomes: Outcomes) -> Floats:
    """(N, BINS + 2): what each cell adds to the gap of each bin, its squares, and its log loss."""
    cells = np.arange(len(outcomes.truth))
    called, true = outcomes.scores[cells, outcomes.predicted], outcomes.scores[cells, outcomes.truth]
    losses = np.zeros((len(cells), BINS + 2))
    losses[cells, bins_of(called)] = (outcomes.predicted == outcomes.truth) - called
    losses[:, BINS] = ((outcomes.scores - np.eye(len(outcomes.classes))[outcomes.truth]) ** 2).sum(axis=1) / 2
    losses[:, BINS + 1] = -np.log(np.maximum(true, _SMALLEST))
    return losses


def _errors_of(losses: Floats, weights: Floats) -> dict[str, Floats]:
    means = ratio(weights @ losses, weights.sum(axis=1, keepdims=True))  # (R, BINS + 2)
    return {"ece": np.abs(means[:, :BINS]).sum(axis=1), "brier": means[:, BINS], "log_loss": means[:, BINS + 1]}


def _errors(answers: Mapping[str, IntervalEstimate]) -> CalibrationErrors:
    return CalibrationErrors(**{name: answers[name].measured for name in ERRORS})


def _logits(scores: Floats) -> Floats:
    return np.asarray(np.log(np.clip(scores, _SMALLEST, 1)))
