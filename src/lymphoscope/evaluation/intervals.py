"""95 % intervals by a bootstrap over subjects, stratified by the classes of the subjects' cells (see `units`).

An interval is value +- t * spread on a scale without ends (the logit of a share; for a log loss, the logit of the
probability that it means), `spread` being the standard deviation over the replicates. Of the n subjects of a stratum
n - 1 are drawn and weighted by n / (n - 1) (Rao and Wu 1988), so that few subjects do not make the spread too small.
Unequal subjects are worth fewer equal ones: spread and degrees of freedom are corrected for it (`small_sample`). And no
sample shows the subjects that it does not have: an interval leaves room for as many exceptional subjects as the exact
binomial bound allows (`estimate_from_replicates`). Both make an interval longer towards the worst value. Scores are
skewed: a sample that shows too bad a score has hard subjects, and so a large spread. Towards the best value t is
therefore the normal quantile; with that of few degrees of freedom intervals held the true value in up to every study.
The spread of a regression coefficient is that of leaving out each unit: it is far too large in replicates in which the
score nearly separates the classes. `python benchmarks/coverage.py` measures how often these intervals hold the true
value, for unequal, heavy-tailed and exceptional subjects; docs/evidence.md has the table.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import special

from lymphoscope.evaluation.estimates import Estimate, Scale
from lymphoscope.evaluation.outcomes import Floats, Indices
from lymphoscope.evaluation.units import Units, strata_of

LEVEL: Final = 0.95
# A class rare within mixed subjects may drop out of a replicate; with more such replicates than this, no interval.
_MOST_UNDEFINED = 0.05
_NO_SPREAD = 1e-9
_MANY_UNITS = 400
_BIASED = "no interval from the bootstrap holds the true value often enough"
# Of three equal units. The quantile of t grows from 4.3 at 2 degrees of freedom to 12.7 at 1, and the variance of
# so few is hardly known: such an interval says nothing.
_LEAST_DEGREES = 2 - 1e-6
# The normal quantile of 96.4 %; with that of 95 or 97.5 % intervals of log losses hold too rarely, or too often.
_OF_LOG_LOSS = 1.8
_FEW = "too few subjects carry this number: they tell less than three equal ones"
# The intercept of three subjects with most of the cells had intervals of 6 to 10 log odds, which held it always.
_LEAST_OF_COEFFICIENT = 3 - 1e-6
_FEW_FOR_COEFFICIENT = "too few subjects carry this number: they tell less than four equal ones"
_UNDEFINED = (
    "it is undefined for parts of these subjects: a class is too rare, or the score separates the classes completely"
)

Exceptional = Callable[[float], Floats]
"""A share of all units -> the values (E,) of a number where that share is exceptional, in E ways."""


@dataclass(frozen=True)
class SmallSample:
    """What few and unequal units do to an interval.

    `inflation` is the factor by which the bootstrap's spread is too small, `degrees` the degrees of freedom of t, and
    `units` the number of units that the number depends on. `jackknife` is the spread from leaving out each unit in
    turn, NaN if the number is undefined without one of them, None where units are too many for that. `units_by_class`
    are the units of each class of a number that is a mean over classes. `equal_units` is Kish's effective number: as
    many equal units have the same sum of squared weights.
    """

    inflation: float
    degrees: float
    units: int
    jackknife: float | None = None
    units_by_class: tuple[int, ...] = ()
    equal_units: float | None = None

    def unseen(self, level: float = LEVEL) -> float:
        """How far unseen exceptional units may take the number towards its worst value, 0-1.

        In a mean over K classes a share of the units of one class counts by 1 / K, however few they are.
        """
        of_classes = (unseen_share(number, level) / len(self.units_by_class) for number in self.units_by_class)
        return max(unseen_share(self.units, level), *of_classes, 0.0)


def small_sample(
    units: Units,
    weights: Floats,
    left_out: Indices,
    without: Floats,
    spread: float,
    *,
    is_mean_over_classes: bool = False,
) -> SmallSample:
    """The small-sample terms of a number that depends on cells with these `weights` (N,).

    The units with such cells are grouped by the classes of these cells, as strata are: for a number of the cells of one
    class they are one group, whatever else a unit has. Group by group, the variance is that of the mean of units with
    these sizes, under a working model in which all units vary equally: the bias of its estimate is removed, and its
    degrees of freedom are those of Bell and McCaffrey (2002), which are n - 1 for n equal units. The groups are added
    by Satterthwaite's rule. `without` (J,) is the number without each unit of `left_out`, the units of strata with few;
    the rest of the variance `spread` ** 2 is attributed to the groups with many.
    """
    by_class = units.weight_by_class(weights)
    sizes = by_class.sum(axis=1)
    used = np.flatnonzero(sizes > 0)
    groups, stratum_size = strata_of(by_class[used]), np.bincount(units.stratum)[units.stratum]
    without_unit = np.full(units.number, np.nan)
    without_unit[left_out] = without
    squares = _jackknife_squares(units.stratum, without_unit)
    parts: list[tuple[float, float, float]] = []  # variance, its factor, its degrees of freedom
    many = []
    for index in np.unique(groups):
        members = used[groups == index]
        factor, degrees = _unequal(sizes[members] / sizes[members].sum(), units.stratum[members], stratum_size[members])
        if np.isin(members, left_out).all():
            parts.append((float(np.nansum(squares[members])), factor, degrees))
        else:
            many.append((factor, degrees))
    if many:
        rest = max(0.0, spread**2 - sum(variance for variance, _, _ in parts)) / len(many)
        parts += [(rest, factor, degrees) for factor, degrees in many]
    plain = sum(variance for variance, _, _ in parts)
    jackknife = None if many else float("nan" if np.isnan(without).any() else np.sqrt(plain))
    units_by_class = (
        tuple(np.count_nonzero(by_class, axis=0)[by_class.any(axis=0)].tolist()) if is_mean_over_classes else ()
    )
    total: float = sum(variance * factor for variance, factor, _ in parts)
    below = sum((variance * factor) ** 2 / degrees for variance, factor, degrees in parts)
    inflation, degrees = 1.0, min(degrees for _, _, degrees in parts)
    if below > 0:
        inflation, degrees = float(np.sqrt(total / plain)), total**2 / below
    equal_units = float(sizes.sum() ** 2 / (sizes**2).sum())
    return SmallSample(inflation, degrees, len(used), jackknife, units_by_class, equal_units)


def _unequal(shares: Floats, stratum: Indices, stratum_size: Indices) -> tuple[float, float]:
    """Factor of the variance, and degrees of freedom, of a group of n units with `shares` (n,) of its weight.

    `stratum` (n,) is that in which each is drawn, of `stratum_size` (n,) units, in or outside the group.
    """
    number, squares = len(shares), float((shares**2).sum())
    if number < 2:
        return 1.0, 1.0
    if number > _MANY_UNITS:
        return squares / (
            number / (number - 1) * float((shares**2 * (1 - 2 * shares + squares)).sum())
        ), 1 / squares - 1
    # The variance is estimated from the residuals R y of the units' values y, centred in each stratum: y' R' C R y.
    residuals = np.diag(shares) - np.outer(shares, shares)
    centred = np.eye(number) - np.equal.outer(stratum, stratum) / stratum_size
    form = residuals.T @ (centred * (stratum_size / np.maximum(stratum_size - 1, 1))) @ residuals
    estimated = float(np.trace(form))
    return squares / estimated, float(estimated**2 / (form**2).sum())


def _jackknife_squares(stratum: Indices, without: Floats) -> Floats:
    """(U,) what each unit adds to the jackknife variance of a number, from its values (U,) without each; NaN if none.

    A unit counts by its distance from the mean of its stratum.
    """
    squares = np.full(len(without), np.nan)
    for index in np.unique(stratum[~np.isnan(without)]):
        members = np.flatnonzero((stratum == index) & ~np.isnan(without))
        number = len(members)
        squares[members] = (number - 1) / number * (without[members] - without[members].mean()) ** 2
    return squares


def estimate_from_replicates(
    value: float,
    replicas: Floats,
    sample: SmallSample,
    scale: Scale,
    worst: float | None = None,
    exceptional: Exceptional | None = None,
    *,
    two_sided: bool = False,
) -> Estimate:
    """`value` with the interval that its replicates `replicas` (R,) give; NaN marks an undefined replicate.

    n units without an exceptional one leave room for a share `sample.unseen` of exceptional ones; for a number without
    an upper end n is the number of equal units with the weight of these. `worst` is the value of the number on an
    exceptional unit, and the interval reaches at least as far towards it as that share would take it; `exceptional`
    gives the values that a share would take a number to that is no mean over units. Replicates alone have too little
    spread, or none, where no such unit is in the sample. The other end has the normal quantile in place of t (see
    above), but not that of a coefficient, whose spread is largest where it is too good. Where the interval is
    `two_sided`, both ends have the quantile of t and the room is that of a two-sided bound. Below two degrees of
    freedom there is no interval, three for a coefficient, except the exact bound of a share at 0 or 1.
    """
    if scale == "biased":
        return Estimate(value=value, reason=_BIASED)
    defined = replicas[~np.isnan(replicas)]
    if len(defined) == 0 or len(defined) < (1 - _MOST_UNDEFINED) * len(replicas):
        return Estimate(value=value, reason=_UNDEFINED)
    # Replicates in which the score nearly separates the classes make a coefficient far too large.
    by_jackknife = scale == "coefficient" and sample.jackknife is not None
    spread = (sample.jackknife or 0.0 if by_jackknife else float(defined.std())) * sample.inflation
    if np.isnan(spread):
        return Estimate(value=value, reason=_UNDEFINED)
    # One large exceptional unit has no limit to what it adds to a number without an upper end.
    weight = sample.equal_units if scale == "positive" else None
    unseen = unseen_share(weight) if weight else sample.unseen((1 + LEVEL) / 2 if two_sided else LEVEL)
    at_end = scale == "share" and not _NO_SPREAD < value < 1 - _NO_SPREAD
    if spread < _NO_SPREAD or at_end:
        return _without_spread(value, unseen, scale)
    if sample.degrees < (_LEAST_OF_COEFFICIENT if scale == "coefficient" else _LEAST_DEGREES):
        return Estimate(value=value, reason=_FEW_FOR_COEFFICIENT if scale == "coefficient" else _FEW)
    reached = _reached(value, unseen, worst, exceptional)
    quantile = float(special.stdtrit(sample.degrees, (1 + LEVEL) / 2))
    # A number without an upper end is more skewed still: its room alone leaves hardly any error at the worse end.
    better = _OF_LOG_LOSS if scale == "positive" else float(special.ndtri((1 + LEVEL) / 2))
    ends = (False, False) if two_sided or scale == "coefficient" else _better_ends(value, reached)
    below, above = (better if is_better_end else quantile for is_better_end in ends)
    low, high = _bounds(value, (below * spread, above * spread), scale)
    low, high = min([low, *reached]), max([high, *reached])
    if scale == "share":
        low, high = min(low, 1 - unseen), max(high, unseen)
    p = 2 * float(special.stdtr(sample.degrees, -abs(value) / spread)) if scale == "difference" else None
    return Estimate(value=value, low=low, high=high, p=p)


def unseen_share(units: float, level: float = LEVEL) -> float:
    """The share of exceptional units, 0-1, that `units` without one leave room for: the exact one-sided bound."""
    return float(1 - (1 - level) ** (1 / units))


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


def _reached(value: float, unseen: float, worst: float | None, exceptional: Exceptional | None) -> list[float]:
    """Where a share `unseen` of exceptional units would take the number."""
    values = [] if worst is None else [value + unseen * (worst - value)]
    if exceptional is not None:
        values += [float(each) for each in exceptional(unseen) if not np.isnan(each)]
    return values


def _better_ends(value: float, reached: Sequence[float]) -> tuple[bool, bool]:
    """Whether exceptional units take the number only away from the lower, and from the upper, end."""
    return bool(reached) and min(reached) > value, bool(reached) and max(reached) < value


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
