"""The ROC curve of the score of the positive class, with a bootstrap band.

A sample does not show the exceptional subjects that it does not contain: n subjects leave room for a share of up to
1 - 0.05^(1/n) (`unseen_share`). If the cells of a share s of the other subjects score highest, the curve at a rate t of
false positives is that of the rest at (t - s) / (1 - s), and nothing is left of it below s, where such cells alone
decide. If the cells of a share of the positive subjects score lowest, the curve is lower by that share. So the band
begins at the rate s, and its lower edge has the room for both. Its upper edge is never inside the exact bound on the
subjects of whose cells some are missed (`_exact_upper`). Without this the band held the curve in 79 to 90 % of
simulated studies at a rate of 0.05 where 3 or 5 % of the subjects are exceptional, and in 83 to 91 % at some rates
above 0.4 (`python benchmarks/coverage.py --curves`).
"""

from dataclasses import dataclass

import numpy as np

from lymphoscope.evaluation.bootstrap import BootstrapSamples, MetricGroup, MetricSpec
from lymphoscope.evaluation.estimates import Estimate
from lymphoscope.evaluation.intervals import exact_interval, unseen_share
from lymphoscope.evaluation.outcomes import Floats, Indices, Mask, Outcomes, Weights, coarse_levels, ratio
from lymphoscope.terminal import counted


@dataclass(frozen=True)
class RocCurve:
    """Points of the curve (P,), and the band of true positive rates on an even grid (G,) of false positive rates.

    `low` and `high` (G,) are NaN where there is no band: below the rate `band_from`, or at all rates, where it is None.
    `reason` says why.
    """

    false_positive: Floats
    true_positive: Floats
    grid: Floats
    low: Floats
    high: Floats
    band_from: float | None
    reason: str


def roc_curve(outcomes: Outcomes, samples: BootstrapSamples) -> RocCurve | None:
    """The curve of the positive class against the rest by its score; None where either has no cell.

    The band is pointwise: a 95 % interval of the true positive rate at each rate of false positives, as for any metric,
    with room for exceptional subjects of the other classes. The true curve rises, so what bounds it at one rate bounds
    it at all higher, or lower, ones: both edges are made to rise by narrowing the band.
    """
    positive = outcomes.is_positive
    if outcomes.positive_index is None or positive.all() or not positive.any():
        return None
    rank = np.unique(-outcomes.scores[:, outcomes.positive_index], return_inverse=True)[1]
    (false,), (true,) = _rates(rank, positive, Weights.of_cells(np.ones((1, len(positive)))))
    grid = np.linspace(0, 1, 101)
    estimates = _estimates(rank, positive, grid, samples)
    unit, others = samples.bootstrap.unit, _units(samples, ~positive)
    unseen = unseen_share(others)
    start = int(np.ceil(unseen * (len(grid) - 1)))
    low, high = (np.array([getattr(each, end) for each in estimates], dtype=np.float64) for end in ("low", "high"))
    low[:start] = high[:start] = np.nan
    if np.isnan(low[:-1]).all():
        return RocCurve(false, true, grid, low * np.nan, high * np.nan, None, estimates[start].reason or "")
    with_others = np.interp((grid - unseen) / (1 - unseen), false, true)
    with_positives = np.interp(grid, false, true) * (1 - unseen_share(_units(samples, positive)))
    low = np.minimum(low, np.minimum(with_others, with_positives))
    high = np.maximum(high, _exact_upper(rank, positive, grid, samples, (false, true)))
    low[-1] = high[-1] = 1.0
    low[start:], high[start:] = _rising(np.nan_to_num(low[start:], nan=0.0), np.nan_to_num(high[start:], nan=1.0))
    reason = (
        f"{counted(others, unit)} with other cells cannot exclude that up to {100 * unseen:.1f} % of such {unit}s are "
        "exceptional"
    )
    return RocCurve(false, true, grid, low, high, float(grid[start]), reason)


def _exact_upper(
    rank: Indices, positive: Mask, grid: Floats, samples: BootstrapSamples, curve: tuple[Floats, Floats]
) -> Floats:
    """(G,) what the upper edge is at least: the exact bound on the subjects with cells that are missed at each rate.

    Where these are k of n, the missed share may be smaller by the lower end of the exact interval of k / n, relative to
    k / n. Near the upper right corner one or two subjects miss a few cells, and their spread says too little.
    """
    number, unit = _units(samples, positive), samples.units.of_cell[positive]
    last = np.full(samples.units.number, -1)
    np.maximum.at(last, unit, rank[positive])
    found = np.searchsorted(curve[0], grid, side="right") - 1  # levels above the threshold of each rate
    missing = (last >= found[:, None]).sum(axis=1)
    smaller = exact_interval(missing, number)[0] / np.maximum(missing / number, 1 / number)
    return np.asarray(1 - (1 - np.interp(grid, *curve)) * smaller)


def _units(samples: BootstrapSamples, cells: Mask) -> int:
    """The number of units with some of the `cells` (N,)."""
    return len(np.unique(samples.units.of_cell[cells]))


def _estimates(rank: Indices, positive: Mask, grid: Floats, samples: BootstrapSamples) -> list[Estimate]:
    """The true positive rate at each rate of `grid` (G,), with its interval."""

    def compute(weights: Weights) -> dict[str, Floats]:
        curves = [
            np.interp(grid, *rates) for rates in zip(*_rates(coarse_levels(rank), positive, weights), strict=True)
        ]
        return {f"{index}": values for index, values in enumerate(np.transpose(curves))}

    every = np.ones(len(positive), dtype=bool)
    group = MetricGroup(compute, {f"{index}": MetricSpec(every, worst=0.0) for index in range(len(grid))})
    return list(samples.estimate({"roc": group})["roc"].values())


def _rising(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """The widest band within `low` and `high` (G,) with edges that do not fall."""
    return np.maximum.accumulate(low), np.minimum.accumulate(high[::-1])[::-1]


def _rates(level: Indices, positive: Mask, weights: Weights) -> tuple[Floats, Floats]:
    """False and true positive rates (R, G + 1) as the threshold falls from level to level, both from 0 to 1."""
    levels = int(level.max()) + 1
    parts = (weights.sum_by_level(level, levels, cells.astype(np.float64)) for cells in (~positive, positive))
    false, true = (np.pad(np.cumsum(part, axis=1), ((0, 0), (1, 0))) for part in parts)
    return ratio(false, false[:, -1:]), ratio(true, true[:, -1:])
