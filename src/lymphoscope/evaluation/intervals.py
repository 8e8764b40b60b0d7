"""95 % intervals by a bootstrap over subjects, stratified by the subject's class.

Cells of one subject resemble each other, so it is subjects that are drawn again, each with all of its cells; cells
only where no subjects are known. Each class keeps its number of subjects, so that no replicate lacks a class.

An interval is value +- t * spread on a scale without ends (the logit of a share; for a log loss, the logit of the
probability that it means), `spread` being the standard deviation over the replicates. Of the n subjects of a class
n - 1 are drawn and weighted by n / (n - 1) (Rao and Wu 1988), so that few subjects do not make the spread too small.
Unequal subjects are worth fewer equal ones: spread and degrees of freedom are corrected for it (`small_sample`). And no
sample shows the subjects that it does not have: an interval leaves room for as many exceptional subjects as the exact
binomial bound allows (`estimate_from_replicates`). Both make an interval longer towards the worst value. Scores are
skewed: a sample that shows too bad a score has hard subjects, and thus a large spread. Towards the best value t is
therefore the normal quantile; with that of few degrees of freedom intervals held the true value in up to every study.
`python benchmarks/coverage.py` measures how often these intervals hold the true value, for unequal, heavy-tailed and
exceptional subjects; docs/evidence.md has the table.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from lymphoscope.evaluation.estimates import Estimate, Scale
from lymphoscope.evaluation.outcomes import Floats, Indices, Outcomes

LEVEL: Final = 0.95
# Bounds the memory of a chunk of replicates: replicates x units, at 8 bytes each.
_NUMBERS_AT_ONCE = 10_000_000
# A class rare within mixed subjects may drop out of a replicate; with more such replicates than this, no interval.
_MOST_UNDEFINED = 0.05
_NO_SPREAD = 1e-9
_MANY_UNITS = 400
_BIASED = "no interval from the bootstrap holds the true value often enough"
# Of three equal units. The quantile of t grows from 4.3 at 2 degrees of freedom to 12.7 at 1, and the variance of
# so few is hardly known: such an interval says nothing.
_LEAST_DEGREES = 2 - 1e-6
_FEW = "too few subjects carry this number: they tell less than three equal ones"


@dataclass(frozen=True)
class Units:
    """What is drawn: the unit of each cell (N,) and the class index of each unit (U,), that of its commonest label."""

    of_cell: Indices
    class_index: Indices


def units_of(names: NDArray[np.object_], outcomes: Outcomes) -> Units:
    """Return the units of N cells with these subject names (N,), independent of the order of the cells."""
    _, of_cell = np.unique(names.astype(str), return_inverse=True)
    counts = np.zeros((of_cell.max(initial=-1) + 1, len(outcomes.classes)))
    np.add.at(counts, (of_cell, outcomes.truth), 1)
    return Units(of_cell, counts.argmax(axis=1) if counts.size else np.zeros(0, dtype=np.int64))


def replicate_weights(units: Units, replicates: int, seed: int) -> Iterator[Floats]:
    """Chunks (r, U) of the weight of each unit, `replicates` rows in all; a class keeps its number of units.

    Of n units n - 1 are drawn with replacement, with weight n / (n - 1) each; a class of one unit has weight 1.
    """
    classes = _members(units)
    # One generator per class, so that the draws are the same whatever the size of a chunk.
    generators = np.random.default_rng(seed).spawn(len(classes))
    for rows in _chunks(replicates, len(units.class_index)):
        drawn = np.ones((len(rows), len(units.class_index)))
        for members, generator in zip(classes, generators, strict=True):
            number = len(members)
            if number > 1:
                times = generator.multinomial(number - 1, np.full(number, 1 / number), len(rows))
                drawn[:, members] = times * (number / (number - 1))
        yield drawn


def leave_one_out_weights(units: Units, left_out: Indices) -> Iterator[Floats]:
    """Chunks (r, U), one row per unit of `left_out` (J,): its weight is 0, that of its class's others n / (n - 1)."""
    number = np.bincount(units.class_index)
    for rows in _chunks(len(left_out), len(units.class_index)):
        absent = left_out[rows]
        index = units.class_index[absent]
        same = units.class_index == index[:, None]  # (r, U)
        weights = np.where(same, (number[index] / np.maximum(number[index] - 1, 1))[:, None], 1.0)
        weights[np.arange(len(absent)), absent] = 0
        yield weights


@dataclass(frozen=True)
class SmallSample:
    """What few and unequal units do to an interval.

    `inflation` is the factor by which the bootstrap's spread is too small, `degrees` the degrees of freedom of t, and
    `units` the number of units that the number depends on.
    """

    inflation: float
    degrees: float
    units: int


def small_sample(units: Units, sizes: Floats, left_out: Indices, without: Floats, spread: float) -> SmallSample:
    """The small-sample terms of a number that depends on `sizes` (U,) cells, or weights, of the units.

    Class by class, the variance is that of the mean of units with these sizes, under a working model in which all
    units vary alike: the bias of its estimate is removed, and its degrees of freedom are those of Bell and McCaffrey
    (2002), which are n - 1 for n equal units. The classes are added by Satterthwaite's rule. `without` (J,) is the
    number without each unit of `left_out`, the units of classes with few units; the rest of the variance
    `spread` ** 2 is attributed to the classes with many.
    """
    parts: list[tuple[float, float, float]] = []  # variance, its factor, its degrees of freedom
    many = []
    for index in np.unique(units.class_index[sizes > 0]):
        members = (sizes > 0) & (units.class_index == index)
        factor, degrees = _unequal(sizes[members] / sizes[members].sum())
        rows = members[left_out]
        if rows.any():
            parts.append((_jackknife_variance(without[rows]), factor, degrees))
        else:
            many.append((factor, degrees))
    if many:
        rest = max(0.0, spread**2 - sum(variance for variance, _, _ in parts)) / len(many)
        parts += [(rest, factor, degrees) for factor, degrees in many]
    plain, number = sum(variance for variance, _, _ in parts), int((sizes > 0).sum())
    total: float = sum(variance * factor for variance, factor, _ in parts)
    below = sum((variance * factor) ** 2 / degrees for variance, factor, degrees in parts)
    if not below > 0:
        return SmallSample(1.0, min(degrees for _, _, degrees in parts), number)
    return SmallSample(float(np.sqrt(total / plain)), total**2 / below, number)


def _unequal(shares: Floats) -> tuple[float, float]:
    """Factor of the variance, and degrees of freedom, of n units with `shares` (n,) of the weight."""
    number, squares = len(shares), float((shares**2).sum())
    if number < 2:
        return 1.0, 1.0
    estimated = number / (number - 1) * float((shares**2 * (1 - 2 * shares + squares)).sum())
    if number > _MANY_UNITS:
        return squares / estimated, 1 / squares - 1
    # The variance estimate is the quadratic form y' G y of the units' values.
    form = np.diag(shares**2) - np.outer(shares, shares**2) - np.outer(shares**2, shares)
    form += squares * np.outer(shares, shares)
    return squares / estimated, float(np.trace(form) ** 2 / (form**2).sum())


def estimate_from_replicates(
    value: float, replicas: Floats, sample: SmallSample, scale: Scale, worst: float | None = None
) -> Estimate:
    """`value` with the interval that its replicates `replicas` (R,) give; NaN marks an undefined replicate.

    n units without an exceptional one leave room for a share 1 - 0.05 ** (1 / n) of exceptional ones, the exact
    one-sided binomial bound. `worst` is the value of the number on an exceptional unit, and the interval reaches at
    least as far towards it as that share would take it. Replicates alone have too little spread, or none, where no such
    unit is in the sample. The other end has the normal quantile in place of t (see above). Below two degrees of freedom
    there is no interval, except the exact bound of a share at 0 or 1.
    """
    if scale == "biased":
        return Estimate(value=value, reason=_BIASED)
    defined = replicas[~np.isnan(replicas)]
    if len(defined) == 0 or len(defined) < (1 - _MOST_UNDEFINED) * len(replicas):
        return Estimate(value=value, reason="a class is too rare to be in every bootstrap replicate")
    spread = float(defined.std()) * sample.inflation
    unseen = 1 - (1 - LEVEL) ** (1 / sample.units)
    at_end = scale == "share" and not _NO_SPREAD < value < 1 - _NO_SPREAD
    if spread < _NO_SPREAD or at_end:
        return _without_spread(value, unseen, scale)
    if sample.degrees < _LEAST_DEGREES:
        return Estimate(value=value, reason=_FEW)
    quantile = float(special.stdtrit(sample.degrees, (1 + LEVEL) / 2))
    # A number without an upper end is more skewed still: its room alone leaves hardly any error at the worse end.
    level = LEVEL if scale == "positive" else (1 + LEVEL) / 2
    better = float(special.ndtri(level))
    below, above = (better if is_better_end else quantile for is_better_end in _better_ends(value, worst))
    low, high = _bounds(value, (below * spread, above * spread), scale)
    if worst is not None:
        reached = value + unseen * (worst - value)
        low, high = min(low, reached), max(high, reached)
    if scale == "share":
        low, high = min(low, 1 - unseen), max(high, unseen)
    p = 2 * float(special.stdtr(sample.degrees, -abs(value) / spread)) if scale == "difference" else None
    return Estimate(value=value, low=low, high=high, p=p)


def exact_interval(successes: float | Floats, trials: float | Floats, level: float = LEVEL) -> tuple[Any, Any]:
    """The exact binomial interval (Clopper and Pearson 1934) of `successes` of `trials`, of any shape; 0-1 for none.

    It never covers less often than `level`. `successes` need not be whole.
    """
    yes, no = np.asarray(successes), np.asarray(trials - successes)
    tail = (1 - level) / 2
    # The quantile of the beta distribution is undefined where a count is 0; there the bound is 0 or 1.
    low = special.betaincinv(np.where(yes > 0, yes, 1), no + 1, tail)
    high = special.betaincinv(yes + 1, np.where(no > 0, no, 1), 1 - tail)
    return np.where(yes > 0, low, 0.0)[()], np.where(no > 0, high, 1.0)[()]


def _better_ends(value: float, worst: float | None) -> tuple[bool, bool]:
    """Whether the lower, and the upper, end lies away from the worst value."""
    return (False, False) if worst is None else (worst > value, worst < value)


def _bounds(value: float, reach: tuple[float, float], scale: Scale) -> tuple[float, float]:
    below_above = np.array([-reach[0], reach[1]])
    if scale in ("share", "bounded"):
        value = min(max(value, _NO_SPREAD), 1 - _NO_SPREAD)
        ends = special.logit(value) + below_above / (value * (1 - value))
        low, high = special.expit(ends)
        return float(low), float(high)
    if scale == "positive":
        ends = np.log(np.expm1(value)) + below_above / -np.expm1(-value)
        low, high = np.logaddexp(0, ends)
        return float(low), float(high)
    return value - reach[0], value + reach[1]


def _without_spread(value: float, unseen: float, scale: Scale) -> Estimate:
    if scale == "share" and value > 1 - _NO_SPREAD:
        return Estimate(value=value, low=1 - unseen, high=1.0)
    if scale == "share" and value < _NO_SPREAD:
        return Estimate(value=value, low=0.0, high=unseen)
    same = abs(value) < _NO_SPREAD and scale == "difference"
    return Estimate(value=value, p=1.0 if same else None, reason="it is the same in every bootstrap replicate")


def _jackknife_variance(values: Floats) -> float:
    defined = values[~np.isnan(values)]
    return float((len(defined) - 1) * defined.var()) if len(defined) else 0.0


def _members(units: Units) -> list[Indices]:
    return [np.flatnonzero(units.class_index == index) for index in np.unique(units.class_index)]


def _chunks(rows: int, units: int) -> Iterator[range]:
    at_once = max(1, _NUMBERS_AT_ONCE // max(1, units))
    for done in range(0, rows, at_once):
        yield range(done, min(done + at_once, rows))
