"""Risk control over subjects: limits of the blast score whose error rate holds for the next subject.

The only assumption is that the next subject is exchangeable with the calibration subjects. Nothing is assumed about the
distribution of scores, about how subjects differ, or about their number of cells; odd subjects are allowed for.

The loss of a subject is the share (0-1) of its blasts that are signed off as normal, and on the other side the share of
its normal cells that are signed off as blasts. It never falls as the limit is loosened. With n subjects:

- `average`: conformal risk control (Angelopoulos et al. 2024, arXiv 2208.02814) takes the loosest limit with
  (sum of losses + 1) / (n + 1) <= rate. The expected loss of the next subject is then at most the rate.
  n subjects can promise 1 / (n + 1) at best.
- `confidence`: learn then test (Angelopoulos et al. 2021, arXiv 2110.01052) takes the loosest limit up to which the
  hypothesis "the expected loss exceeds the rate" is rejected, with the Hoeffding-Bentkus p value of Bates et al. (2021,
  arXiv 2101.02703). As the loss is monotone, limits need no correction for multiple tests. n subjects without a loss
  can promise 1 - (1 - confidence)^(1 / n) at best.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from lymphoscope.evaluation import Floats, Indices
from lymphoscope.referral.score_band import Promise, PromiseKind

_TOLERANCE = 1e-9


@dataclass(frozen=True)
class ControlledLimit:
    """A limit of the score below which cells are signed off, and what it promises."""

    limit: float
    """Scores below it are signed off; -infinity signs off nothing."""
    promise: Promise


def control_risk(
    scores: Floats, of_cell: Indices, rate: float, *, kind: PromiseKind = "average", confidence: float = 0.95
) -> ControlledLimit:
    """Return the highest limit whose promise holds: scores (N,) of cells where a low one is an error, subjects (N,).

    `of_cell` numbers the subjects from 0. Where there are too few subjects for `rate`, the smallest rate that their
    number can support is promised.
    """
    subjects = len(np.unique(of_cell))
    smallest = smallest_rate(subjects, kind, confidence)
    needed = None if smallest <= rate else subjects_needed(rate, kind, confidence)
    rate_kept = max(rate, smallest)
    promise = Promise(
        stated=rate, rate=rate_kept if subjects else None, subjects=subjects, cells=len(scores), needed=needed
    )
    if not subjects:
        return ControlledLimit(-math.inf, promise)
    allowed = allowed_loss(subjects, rate_kept, kind, confidence)
    return ControlledLimit(_highest_limit(scores, of_cell, allowed), promise)


def smallest_rate(subjects: int, kind: PromiseKind, confidence: float) -> float:
    """Return the smallest rate that so many subjects without a loss can promise; 1 without subjects."""
    if kind == "average":
        return 1 / (subjects + 1)
    return 1.0 if subjects == 0 else 1 - (1 - confidence) ** (1 / subjects)


def subjects_needed(rate: float, kind: PromiseKind, confidence: float) -> int:
    """Return how many subjects without a loss a rate needs at least."""
    if kind == "average":
        return math.ceil(1 / rate - 1 - _TOLERANCE)
    return math.ceil(math.log(1 - confidence) / math.log(1 - rate) - _TOLERANCE)


@cache
def allowed_loss(subjects: int, rate: float, kind: PromiseKind, confidence: float) -> float:
    """Return the largest sum of the subjects' losses with which the rate is promised."""
    if kind == "average":
        return max(0.0, rate * (subjects + 1) - 1)
    low, high = 0.0, rate * subjects  # the p value rises with the sum, and is above 1 - confidence at a mean of `rate`
    while high - low > _TOLERANCE * subjects:
        middle = (low + high) / 2
        if hoeffding_bentkus(middle / subjects, subjects, rate) <= (1 - confidence) * (1 + _TOLERANCE):
            low = middle
        else:
            high = middle
    return low


def hoeffding_bentkus(mean_loss: float, subjects: int, rate: float) -> float:
    """Return the p value of "the expected loss exceeds `rate`" for a mean loss (0-1) of so many subjects."""
    if mean_loss >= rate:
        return 1.0
    divergence = special.rel_entr(mean_loss, rate) + special.rel_entr(1 - mean_loss, 1 - rate)
    bentkus = math.e * stats.binom.cdf(math.ceil(mean_loss * subjects - _TOLERANCE), subjects, rate)
    return float(min(1.0, math.exp(-subjects * divergence), bentkus))


def subject_losses(scores: Floats, of_cell: Indices, limit: float) -> Floats:
    """Return the share (S,) of each subject's cells with a score below the limit."""
    _, index, sizes = np.unique(of_cell, return_inverse=True, return_counts=True)
    return np.asarray(np.bincount(index, scores < limit) / sizes)


def _highest_limit(scores: Floats, of_cell: Indices, allowed: float) -> float:
    """Return the highest limit below which the subjects' losses sum to at most `allowed`."""
    _, index, sizes = np.unique(of_cell, return_inverse=True, return_counts=True)
    order: NDArray[np.intp] = np.argsort(scores, kind="stable")
    total = np.cumsum((1 / sizes)[index[order]])  # the sum of losses when the k lowest cells are below the limit
    beyond = np.flatnonzero(total > allowed + _TOLERANCE)
    return float(scores[order[beyond[0]]]) if len(beyond) else math.inf
