"""The ROC curve of the blast score, with a bootstrap band."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lymphoscope.evaluation.intervals import LEVEL, Units, replicate_weights
from lymphoscope.evaluation.metrics import Floats, Outcomes

_REPLICATES = 400


@dataclass(frozen=True)
class RocCurve:
    """The curve's corners (P,), and on an even grid (G,) of false positive rates the band of true positive rates."""

    false_positive: Floats
    true_positive: Floats
    grid: Floats
    low: Floats
    high: Floats


def roc_curve(outcomes: Outcomes, units: Units, *, seed: int = 0) -> RocCurve | None:
    """The curve of the blast class against the rest by its score; None where one of the two is absent or there is none.

    The band is pointwise, 95 %, over replicates of `units`.
    """
    positive = outcomes.is_blast
    if outcomes.blast is None or positive.all() or not positive.any():
        return None
    false, true = (
        rates[0] for rates in _rates(outcomes.scores[:, outcomes.blast], positive, np.ones((1, len(positive))))
    )
    grid = np.linspace(0, 1, 101)
    replicas = [
        np.interp(grid, *pair)
        for weights in replicate_weights(units, _REPLICATES, seed)
        for pair in zip(*_rates(outcomes.scores[:, outcomes.blast], positive, weights), strict=True)
        if not np.isnan(pair).any()
    ]
    low, high = np.quantile(replicas, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return RocCurve(false, true, grid, low, high)


def _rates(scores: Floats, positive: NDArray[np.bool_], weights: Floats) -> tuple[Floats, Floats]:
    """Weights (R, N) -> false and true positive rates (R, P) as the threshold falls, both from 0 to 1."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # cells of one score fall together
    weights, positive = weights[:, order], positive[order]
    return _climb(weights * ~positive, last), _climb(weights * positive, last)


def _climb(weights: Floats, last: NDArray[np.intp]) -> Floats:
    sums = np.cumsum(weights, axis=1)[:, last]
    sums = np.concatenate([np.zeros((len(sums), 1)), sums], axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / sums[:, -1:])
