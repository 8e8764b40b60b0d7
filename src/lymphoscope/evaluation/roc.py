"""The ROC curve of the score of the positive class, with a bootstrap band."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lymphoscope.evaluation.intervals import LEVEL, Units, replicate_weights
from lymphoscope.evaluation.outcomes import Floats, Mask, Outcomes

_REPLICATES = 400


@dataclass(frozen=True)
class RocCurve:
    """Points of the curve (P,), and the band of true positive rates on an even grid (G,) of false positive rates."""

    false_positive: Floats
    true_positive: Floats
    grid: Floats
    low: Floats
    high: Floats


def roc_curve(outcomes: Outcomes, units: Units, *, seed: int = 0) -> RocCurve | None:
    """The curve of the positive class against the rest by its score; None where either has no cell.

    The band is pointwise, 95 %, over bootstrap replicates of `units`.
    """
    positive = outcomes.is_positive
    if outcomes.positive_index is None or positive.all() or not positive.any():
        return None
    scores = outcomes.scores[:, outcomes.positive_index]
    false, true = (rates[0] for rates in _rates(scores, positive, np.ones((1, len(positive)))))
    grid = np.linspace(0, 1, 101)
    replicas = [
        np.interp(grid, *pair)
        for weights in replicate_weights(units, _REPLICATES, seed)
        for pair in zip(*_rates(scores, positive, weights), strict=True)
        if not np.isnan(pair).any()
    ]
    low, high = np.quantile(replicas, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return RocCurve(false, true, grid, low, high)


def _rates(scores: Floats, positive: Mask, weights: Floats) -> tuple[Floats, Floats]:
    """Weights (R, N) -> false and true positive rates (R, P) as the threshold falls, both from 0 to 1."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # cells with equal scores pass the threshold together
    weights, positive = weights[:, order], positive[order]
    return _cumulative_share(weights * ~positive, last), _cumulative_share(weights * positive, last)


def _cumulative_share(weights: Floats, last: NDArray[np.intp]) -> Floats:
    sums = np.cumsum(weights, axis=1)[:, last]
    sums = np.concatenate([np.zeros((len(sums), 1)), sums], axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / sums[:, -1:])
