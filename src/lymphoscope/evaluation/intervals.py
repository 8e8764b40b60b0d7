"""95 % percentile intervals by a bootstrap over subjects, stratified by the subject's class.

Cells of one subject resemble each other, so it is subjects that are drawn again, each with all of its cells; cells
only where no subjects are known. Each class keeps its number of subjects, so that no replicate lacks a class.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lymphoscope.evaluation.metrics import METRICS, Floats, Indices, Outcomes, measure, relevant

LEVEL = 0.95
# Bounds the memory of a chunk of replicates: replicates x cells, at 8 bytes each.
_NUMBERS_AT_ONCE = 2_000_000
# A class rare within mixed subjects may drop out of a replicate; with more such replicates than this, no interval.
_MOST_UNDEFINED = 0.05


@dataclass(frozen=True)
class Units:
    """What is drawn again: the unit of each cell (N,) and the class of each unit (U,), its commonest label."""

    of_cell: Indices
    kind: Indices


@dataclass(frozen=True)
class Interval:
    """The bounds of an interval, or None for both and the reason why there is none."""

    low: float | None
    high: float | None
    reason: str | None = None


def units_of(names: NDArray[np.object_], outcomes: Outcomes) -> Units:
    """Subject names (N,) -> units. Independent of the order of the rows."""
    _, of_cell = np.unique(names.astype(str), return_inverse=True)
    counts = np.zeros((of_cell.max(initial=-1) + 1, len(outcomes.classes)))
    np.add.at(counts, (of_cell, outcomes.truth), 1)
    return Units(of_cell, counts.argmax(axis=1) if counts.size else np.zeros(0, dtype=np.int64))


def replicate_weights(units: Units, replicates: int, seed: int) -> Iterator[Floats]:
    """Chunks (r, N) of how often each cell is drawn, `replicates` rows in all; a class keeps its number of units."""
    generator = np.random.default_rng(seed)
    at_once = max(1, _NUMBERS_AT_ONCE // max(1, len(units.of_cell)))
    for done in range(0, replicates, at_once):
        drawn = np.zeros((min(at_once, replicates - done), len(units.kind)))
        for kind in np.unique(units.kind):
            members = np.flatnonzero(units.kind == kind)
            drawn[:, members] = generator.multinomial(len(members), np.full(len(members), 1 / len(members)), len(drawn))
        yield drawn[:, units.of_cell]


def bootstrap(outcomes: Outcomes, units: Units, *, unit: str, replicates: int, seed: int) -> dict[str, Interval]:
    """Metric -> interval. `unit`, "subject" or "cell", is only for the wording of the reasons.

    There is none where a metric rests on a class with a single unit: drawing it again and again shows no spread.
    """
    measured = [measure(outcomes, weights) for weights in replicate_weights(units, replicates, seed)]
    intervals = {}
    for metric in METRICS:
        reason = _too_few(metric, outcomes, units, unit)
        values = np.concatenate([np.zeros(0), *(chunk[metric] for chunk in measured)])
        intervals[metric] = Interval(None, None, reason) if reason else _percentiles(values)
    return intervals


def _too_few(metric: str, outcomes: Outcomes, units: Units, unit: str) -> str | None:
    used = np.unique(units.of_cell[relevant(metric, outcomes)])
    for kind in np.unique(units.kind[used]):
        if (units.kind[used] == kind).sum() < 2:
            return f"only one {unit} of class {outcomes.classes[kind]}, an interval over {unit}s needs two"
    return None


def _percentiles(values: Floats) -> Interval:
    defined = values[~np.isnan(values)]
    if len(defined) == 0 or len(defined) < (1 - _MOST_UNDEFINED) * len(values):
        return Interval(None, None, "a class is too rare to be in every bootstrap replicate")
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
