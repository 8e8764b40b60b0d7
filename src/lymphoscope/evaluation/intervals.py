"""95 % intervals by a bootstrap over subjects, stratified by the subject's class.

Cells of one subject resemble each other, so it is subjects that are drawn again, each with all of its cells; cells
only where no subjects are known. Each class keeps its number of subjects, so that no replicate lacks a class.

An interval is value +- t * spread on a scale without ends (the logit of a share; for a log loss, the logit of the
probability that it means), `spread` being the standard deviation over the replicates. Of the n subjects of a class
n - 1 are drawn and weighed by n / (n - 1) (Rao and Wu 1988), so that few subjects do not make the spread too small, and
t has Satterthwaite's degrees of freedom. Plain percentile intervals hold the truth too seldom: 90 to 92 % of the time
with 30 + 30 subjects, 78 to 85 % with 8 + 8. These hold it 93 to 94 % and 92 to 95 % of the time
(tests/evaluation/test_coverage.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from lymphoscope.evaluation.metrics import Floats, Indices, Outcomes

LEVEL: Final = 0.95
# Bounds the memory of a chunk of replicates: replicates x cells, at 8 bytes each.
_NUMBERS_AT_ONCE = 2_000_000
# A class rare within mixed subjects may drop out of a replicate; with more such replicates than this, no interval.
_MOST_UNDEFINED = 0.05
_NO_SPREAD = 1e-9

Scale = Literal["share", "bounded", "positive", "biased", "difference"]
"""Where a number can lie. share, of cells: 0-1; bounded: 0-1; positive: from 0; biased: from 0, and too high."""


@dataclass(frozen=True)
class Units:
    """What is drawn again: the unit of each cell (N,) and the class of each unit (U,), its commonest label."""

    of_cell: Indices
    kind: Indices


@dataclass(frozen=True)
class Interval:
    """The bounds of an interval, or None for both and the reason why there is none.

    `p` is the two-sided p of a difference being 0.
    """

    low: float | None
    high: float | None
    reason: str | None = None
    p: float | None = None


def units_of(names: NDArray[np.object_], outcomes: Outcomes) -> Units:
    """Subject names (N,) -> units. Independent of the order of the rows."""
    _, of_cell = np.unique(names.astype(str), return_inverse=True)
    counts = np.zeros((of_cell.max(initial=-1) + 1, len(outcomes.classes)))
    np.add.at(counts, (of_cell, outcomes.truth), 1)
    return Units(of_cell, counts.argmax(axis=1) if counts.size else np.zeros(0, dtype=np.int64))


def replicate_weights(units: Units, replicates: int, seed: int) -> Iterator[Floats]:
    """Chunks (r, N) of what each cell weighs, `replicates` rows in all; a class keeps its number of units.

    Of n units n - 1 are drawn, with replacement, and weigh n / (n - 1) each; a unit alone in its class weighs 1.
    """
    classes = _members(units)
    # One generator a class, so that the draws are the same whatever the size of a chunk.
    generators = np.random.default_rng(seed).spawn(len(classes))
    for rows in _chunks(replicates, len(units.of_cell)):
        drawn = np.ones((len(rows), len(units.kind)))
        for members, generator in zip(classes, generators, strict=True):
            number = len(members)
            if number > 1:
                times = generator.multinomial(number - 1, np.full(number, 1 / number), len(rows))
                drawn[:, members] = times * (number / (number - 1))
        yield drawn[:, units.of_cell]


def leave_one_out_weights(units: Units, left_out: Indices) -> Iterator[Floats]:
    """Chunks (r, N), a row for each unit of `left_out` (J,): it weighs 0, the others of its class n / (n - 1)."""
    number = np.bincount(units.kind)
    for rows in _chunks(len(left_out), len(units.of_cell)):
        absent = left_out[rows]
        kind = units.kind[absent]
        same = units.kind == kind[:, None]  # (r, U)
        weights = np.where(same, (number[kind] / np.maximum(number[kind] - 1, 1))[:, None], 1.0)
        weights[np.arange(len(absent)), absent] = 0
        yield weights[:, units.of_cell]


def degrees_of_freedom(
    units: Units, used: NDArray[np.bool_], left_out: Indices, values: Floats, spread: float
) -> float:
    """Satterthwaite's degrees of freedom of a number that rests on the units `used` (U,).

    `values` (J,) are the number without each unit of `left_out`. Those come from the classes of few units; what they
    leave of the variance spread ** 2 is that of the others.
    """
    parts: list[tuple[float, int]] = []
    many = 0
    for kind in np.unique(units.kind[used]):
        number = int((used & (units.kind == kind)).sum())
        rows = used[left_out] & (units.kind[left_out] == kind)
        if rows.any():
            parts.append((_jackknife_variance(values[rows]), number))
        else:
            many += number
    if many:
        parts.append((max(0.0, spread**2 - sum(variance for variance, _ in parts)), many))
    below = sum(variance**2 / (number - 1) for variance, number in parts)
    total: float = sum(variance for variance, _ in parts)
    return total**2 / below if below > 0 else min(number for _, number in parts) - 1


def interval_of(value: float, replicas: Floats, degrees: float, units: int, scale: Scale) -> Interval:
    """The interval of `value` whose replicates are `replicas` (R,), NaN where one has none.

    `units` is the number of units in the smallest class that it rests on. A share of 0 or 1 has replicates without
    spread; its interval ends where so many whole subjects could be otherwise without one having been seen, an exact
    binomial bound.
    """
    known = replicas[~np.isnan(replicas)]
    if len(known) == 0 or len(known) < (1 - _MOST_UNDEFINED) * len(replicas):
        return Interval(None, None, "a class is too rare to be in every bootstrap replicate")
    spread = float(known.std())
    if spread < _NO_SPREAD:
        return _without_spread(value, units, scale)
    reach = spread * float(special.stdtrit(degrees, (1 + LEVEL) / 2))
    low, high = _bounds(value, reach, float(known.mean()) - value, scale)
    p = 2 * float(special.stdtr(degrees, -abs(value) / spread)) if scale == "difference" else None
    return Interval(low, high, p=p)


def exact_interval(successes: int, trials: int) -> Interval:
    """The exact binomial (Clopper-Pearson) interval of `successes` of `trials` independent cells."""
    if trials == 0:
        return Interval(None, None, "no cells")
    tail, failures = (1 - LEVEL) / 2, trials - successes
    low = float(special.betaincinv(successes, failures + 1, tail)) if successes else 0.0
    high = float(special.betaincinv(successes + 1, failures, 1 - tail)) if failures else 1.0
    return Interval(low, high)


def _bounds(value: float, reach: float, bias: float, scale: Scale) -> tuple[float, float]:
    if scale in ("share", "bounded"):
        place = special.logit(value) + np.array([-1, 1]) * reach / (value * (1 - value))
        low, high = special.expit(place)
        return float(low), float(high)
    if scale == "positive":
        place = np.log(np.expm1(value)) + np.array([-1, 1]) * reach / -np.expm1(-value)
        low, high = np.logaddexp(0, place)
        return float(low), float(high)
    if scale == "biased":
        return max(0.0, value - max(0.0, bias) - reach), value + reach
    return value - reach, value + reach


def _without_spread(value: float, units: int, scale: Scale) -> Interval:
    all_or_none = ((1 - LEVEL) / 2) ** (1 / units)
    if scale == "share" and value > 1 - _NO_SPREAD:
        return Interval(all_or_none, 1.0)
    if scale == "share" and value < _NO_SPREAD:
        return Interval(0.0, 1 - all_or_none)
    same = abs(value) < _NO_SPREAD and scale == "difference"
    return Interval(None, None, "it is the same in every bootstrap replicate", p=1.0 if same else None)


def _jackknife_variance(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float((len(known) - 1) * known.var()) if len(known) else 0.0


def _members(units: Units) -> list[Indices]:
    return [np.flatnonzero(units.kind == kind) for kind in np.unique(units.kind)]


def _chunks(rows: int, cells: int) -> Iterator[range]:
    at_once = max(1, _NUMBERS_AT_ONCE // max(1, cells))
    for done in range(0, rows, at_once):
        yield range(done, min(done + at_once, rows))
