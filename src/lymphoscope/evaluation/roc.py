"""The ROC curve of the score of the positive class, with a bootstrap band."""

from dataclasses import dataclass

import numpy as np

from lymphoscope.evaluation.bootstrap import BootstrapSamples, MetricGroup, MetricSpec
from lymphoscope.evaluation.outcomes import Floats, Indices, Mask, Outcomes, Weights, coarse_levels, ratio


@dataclass(frozen=True)
class RocCurve:
    """Points of the curve (P,), and the band of true positive rates on an even grid (G,) of false positive rates."""

    false_positive: Floats
    true_positive: Floats
    grid: Floats
    low: Floats
    high: Floats


def roc_curve(outcomes: Outcomes, samples: BootstrapSamples) -> RocCurve | None:
    """The curve of the positive class against the rest by its score; None where either has no cell.

    The band is pointwise: a 95 % interval of the true positive rate at each rate of false positives, as for any metric.
    The true curve rises, so what bounds it at one rate bounds it at all higher, or lower, ones: both edges are made to
    rise by narrowing the band.
    """
    positive = outcomes.is_positive
    if outcomes.positive_index is None or positive.all() or not positive.any():
        return None
    rank = np.unique(-outcomes.scores[:, outcomes.positive_index], return_inverse=True)[1]
    false, true = _rates(rank, positive, Weights.of_cells(np.ones((1, len(positive)))))
    grid = np.linspace(0, 1, 101)

    def compute(weights: Weights) -> dict[str, Floats]:
        curves = [
            np.interp(grid, *rates) for rates in zip(*_rates(coarse_levels(rank), positive, weights), strict=True)
        ]
        return {f"{index}": values for index, values in enumerate(np.transpose(curves))}

    every = np.ones(len(positive), dtype=bool)
    group = MetricGroup(compute, {f"{index}": MetricSpec(every, worst=0.0) for index in range(len(grid))})
    band = list(samples.estimate({"roc": group})["roc"].values())
    low, high = (np.array([getattr(each, end) for each in band], dtype=np.float64) for end in ("low", "high"))
    low[-1] = high[-1] = 1.0
    return RocCurve(false[0], true[0], grid, *_rising(np.nan_to_num(low, nan=0.0), np.nan_to_num(high, nan=1.0)))


def _rising(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """The widest band within `low` and `high` (G,) with edges that do not fall."""
    return np.maximum.accumulate(low), np.minimum.accumulate(high[::-1])[::-1]


def _rates(level: Indices, positive: Mask, weights: Weights) -> tuple[Floats, Floats]:
    """False and true positive rates (R, G + 1) as the threshold falls from level to level, both from 0 to 1."""
    levels = int(level.max()) + 1
    parts = (weights.sum_by_level(level, levels, cells.astype(np.float64)) for cells in (~positive, positive))
    false, true = (np.pad(np.cumsum(part, axis=1), ((0, 0), (1, 0))) for part in parts)
    return ratio(false, false[:, -1:]), ratio(true, true[:, -1:])
