"""The model-based score band: limits for another group of subjects, under a one-factor normal model of the scores.

The promise depends on the model: where a few subjects are odd, it is broken (docs/referral.md). Risk control
(`risk_control.py`) needs no model.

Cells of one subject resemble each other: 50 blasts of one subject carry less information than 50 of fifty. A binomial
bound over cells would therefore promise too much. As in Wilks (1941, Determination of sample sizes for setting
tolerance limits, Ann Math Stat 12, 91-96), the threshold is one of the ordered calibration scores; how deep into the
order it may be is found by drawing groups of subjects whose cells are as correlated as the calibration cells, with the
one-factor model by which Pluto & Tasche (2005, Estimating probabilities of default for low default portfolios) bound
rare defaults: as normal scores (van der Waerden), a cell is z = sqrt(r) b + sqrt(1 - r) e, with b shared by a subject.
"""

import math

import numpy as np
from scipy import special

from lymphoscope.evaluation import Floats, Indices
from lymphoscope.referral.risk_control import ControlledLimit
from lymphoscope.referral.score_band import Promise

# A correlation of 1 would make a subject one cell; a measurement on a few subjects never excludes it.
MAX_CORRELATION = 0.98
# Shares of all cells, lowest scores first, in which the subjects' tails are compared.
_TAILS = (0.02, 0.05, 0.1, 0.2)
_GRID = np.linspace(0, MAX_CORRELATION, 50)
_SUBJECT_FACTORS: Floats = special.ndtri((np.arange(400) + 0.5) / 400)  # evenly over the standard normal
_GROUPS = 500
_SEED = 0
# Bounds the memory of a chunk of drawn groups.
_NUMBERS_AT_ONCE = 2_000_000
# Limits of the search for the number of subjects that would be needed: times the calibration subjects, and cells.
_MAX_TIMES = 64
_MAX_DRAWN = 100_000
# In another group as large, four or more subjects are worse than the worst of this one in 1 case of 16, whatever the
# distribution (all orders of both groups are equally likely): the worst subject counts three times.
_EXTRA_WORST = 2


def fit_normal_model(scores: Floats, of_cell: Indices, rate: float, confidence: float) -> ControlledLimit:
    """Return the highest limit that keeps `rate` in another group of subjects: scores (N,), subject index (N,).

    A score is low where a cell looks like the other class. In another group of as many subjects, with as many cells
    each, at most `rate` of all cells are below the limit with `confidence`, if the scores follow the normal model. The
    cells must be new to the network.
    """
    sizes = np.bincount(of_cell)
    promise = Promise(stated=rate, rate=None, subjects=len(sizes), cells=len(scores))
    if len(sizes) < 2:
        return ControlledLimit(-math.inf, promise)
    correlation = score_correlation(scores, of_cell, confidence)
    limit = normal_model_limit(scores, of_cell, correlation, rate, confidence)
    if limit is None:
        needed = _subjects_needed(sizes, correlation, rate, confidence)
        return ControlledLimit(-math.inf, promise.model_copy(update={"needed": needed}))
    return ControlledLimit(limit, promise.model_copy(update={"rate": rate}))


def normal_model_limit(
    scores: Floats, of_cell: Indices, correlation: float, rate: float, confidence: float
) -> float | None:
    """Return the limit of `fit_normal_model` for a correlation within subjects; None where the rate cannot be kept."""
    sizes = np.bincount(of_cell)
    allowed = cells_allowed(sizes, correlation, rate, confidence)
    if allowed is None:
        return None
    order = np.argsort(scores, kind="stable")
    return float(scores[order[_with_extra_worst(of_cell[order], sizes, allowed)]])


def score_correlation(scores: Floats, of_cell: Indices, confidence: float) -> float:
    """Return an upper limit of the correlation within subjects (0 to MAX_CORRELATION); scores (N,), subject index (N,).

    The greater of the upper confidence limit over all cells and of what the lowest scores show: subjects may be similar
    in the middle while a few of them have all the low scores.
    """
    overall = correlation_limit(normal_scores(scores), of_cell, confidence)
    return min(MAX_CORRELATION, max(overall, *(tail_correlation(scores, of_cell, share) for share in _TAILS)))


def normal_scores(scores: Floats) -> Floats:
    """Return the normal quantiles of the ranks of scores (N,); equal scores stay equal."""
    _, index, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    return np.asarray(special.ndtri(middle / len(scores))[index])


def correlation_limit(values: Floats, of_cell: Indices, confidence: float) -> float:
    """Return the upper confidence limit (0-1) of the correlation within subjects, from the F ratio between and within.

    Searle (1971), Linear Models, ch. 9: exact for normal values and subjects of equal size; unequal sizes enter by
    their mean n0. 0 where every subject has one cell.
    """
    sizes = np.bincount(of_cell)
    subjects, cells = len(sizes), len(values)
    if cells == subjects:
        return 0.0
    means = np.bincount(of_cell, values) / sizes
    between = (sizes * (means - values.mean()) ** 2).sum() / (subjects - 1)
    within = ((values - means[of_cell]) ** 2).sum() / (cells - subjects)
    size = (cells - (sizes**2).sum() / cells) / (subjects - 1)
    # between / within over the ratio's lower quantile, without a division by a `within` of 0
    quantile = special.fdtri(subjects - 1, cells - subjects, 1 - confidence)
    above, below = between - quantile * within, between + (size - 1) * quantile * within
    return float(max(0.0, above / below)) if below > 0 else 0.0


def tail_correlation(scores: Floats, of_cell: Indices, share: float) -> float:
    """Return the correlation (0 to MAX_CORRELATION) that explains how often two cells of a subject are in the tail.

    The tail is the lowest `share` of all cells. A pair of cells is in it together with probability E[p(b)^2], where
    p(b) is the probability that a cell of a subject with factor b is in it.
    """
    low = scores < np.quantile(scores, share)
    sizes, lows = np.bincount(of_cell), np.bincount(of_cell, low)
    pairs = (sizes * (sizes - 1)).sum()
    if not pairs or not low.any():
        return 0.0
    line = special.ndtri(low.mean())
    offsets = np.sqrt(_GRID)[:, None] * _SUBJECT_FACTORS  # (grid, factors)
    chances = special.ndtr((line - offsets) / np.sqrt(1 - _GRID)[:, None])
    return float(np.interp((lows * (lows - 1)).sum() / pairs, (chances**2).mean(axis=1), _GRID))


def cells_allowed(sizes: Indices, correlation: float, rate: float, confidence: float) -> int | None:
    """Return how many cells of subjects of `sizes` (S,) may be below a threshold that keeps `rate` in another group.

    Two groups are drawn with the same sizes and correlation; the threshold is the (c + 1)-th lowest score of the first.
    The result is the greatest c for which more than `rate` of the second group's cells are below it in at most a share
    1 - `confidence` of the draws; None where even c = 0 is too many. With independent cells, 1 % needs 400 and 5 %
    needs 80.
    """
    limit_index = int(rate * sizes.sum())
    lowest = _lowest_of_groups(sizes, correlation, limit_index + 1)
    limit = np.sort(lowest[:, limit_index])  # above this threshold, too many of the second group
    too_many = np.searchsorted(limit, lowest).mean(axis=0) / len(limit)  # every group with every other
    allowed = int((too_many <= 1 - confidence).sum())
    return allowed - 1 if allowed else None


def _lowest_of_groups(sizes: Indices, correlation: float, count: int) -> Floats:
    """Return the `count` lowest normal scores of drawn groups of subjects, in order: (groups, count)."""
    generator = np.random.default_rng(_SEED)
    of_cell = np.repeat(np.arange(len(sizes)), sizes)
    at_once = max(1, _NUMBERS_AT_ONCE // len(of_cell))
    lowest: list[Floats] = []
    for done in range(0, _GROUPS, at_once):
        groups = min(at_once, _GROUPS - done)
        shared = generator.standard_normal((groups, len(sizes)), dtype=np.float32) * np.float32(np.sqrt(correlation))
        own = generator.standard_normal((groups, len(of_cell)), dtype=np.float32) * np.float32(np.sqrt(1 - correlation))
        own += shared[:, of_cell]
        lowest.append(np.sort(np.partition(own, count - 1, axis=1)[:, :count], axis=1))
    return np.concatenate(lowest)


def _with_extra_worst(of_cell: Indices, sizes: Indices, allowed: int) -> int:
    """Return how many cells may be below when the worst subject is added again; subjects in order of score (N,).

    Few subjects show little of the worst there are. Conformal risk control (Angelopoulos et al. 2024) adds one subject
    with every cell missed, which under 99 subjects never allows 1 %; here the added subjects resemble the worst one
    observed. The rate, not the count, is held.
    """
    rate, below = allowed / sizes.sum(), np.zeros(len(sizes))
    for count, subject in enumerate(of_cell[: allowed + 1]):
        worst = int(below.argmax())
        if count + _EXTRA_WORST * below[worst] > rate * (sizes.sum() + _EXTRA_WORST * sizes[worst]):
            return count - 1
        below[subject] += 1
    return allowed


def _subjects_needed(sizes: Indices, correlation: float, rate: float, confidence: float) -> int | None:
    """Return about how many subjects of such sizes would do; None where the search ends without an answer."""
    times = 1
    while 2 * times <= _MAX_TIMES and 2 * times * sizes.sum() <= _MAX_DRAWN:
        times *= 2
        if cells_allowed(np.tile(sizes, times), correlation, rate, confidence) is not None:
            return times * len(sizes)
    return None
