"""How alike the scores of one subject's cells are: the correlation within subjects, over all scores and in the tail.

The scale of a score means nothing here: cells are compared by rank, as normal scores (van der Waerden), so that their
law is a standard normal one, and a cell is a subject's part plus its own, z = sqrt(r) b + sqrt(1 - r) e.

Between which scores a cell goes to a person, so that few blasts are signed off as normal, and few normals as blasts.

The promise is about people who are not here yet, and the cells of one person resemble each other: 50 blasts of one
subject tell less than 50 of fifty. A binomial bound over cells would therefore promise far too much. What is kept here
is Wilks' idea (1941, Determination of sample sizes for setting tolerance limits, Ann Math Stat 12, 91-96): the
threshold is one of the ordered inner scores, whatever their law; how deep into the order it may lie is found by
drawing groups of subjects whose cells are as alike as the inner ones show (`likeness`), the one-factor model by which
Pluto & Tasche (2005, Estimating probabilities of default for low default portfolios) bound rare defaults.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation.metrics import Floats, Indices

# A correlation of 1 would make a subject one cell; nothing measured on a few subjects excludes it altogether.
HIGHEST = 0.98
# Shares of all cells, lowest scores first, in which the subjects' tails are compared.
_TAILS = (0.02, 0.05, 0.1, 0.2)
_GRID = np.linspace(0, HIGHEST, 50)
_PARTS: Floats = special.ndtri((np.arange(400) + 0.5) / 400)  # a subject's part, evenly over its law


def likeness(scores: Floats, of_cell: Indices, confidence: float) -> float:
    """A correlation within subjects (0 to HIGHEST) that is not too low: scores (N,), subject of each cell (N,).

    The greater of the upper confidence limit over all cells and of what the lowest scores show: subjects may be alike
    in the middle and few of them have all the low scores.
    """
    overall = correlation_limit(normal_scores(scores), of_cell, confidence)
    return min(HIGHEST, max(overall, *(tail_correlation(scores, of_cell, share) for share in _TAILS)))


def normal_scores(scores: Floats) -> Floats:
    """Scores (N,) -> the normal quantiles of their ranks (N,); equal scores stay equal."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    return np.asarray(special.ndtri(middle / len(scores))[place])


def correlation_limit(values: Floats, of_cell: Indices, confidence: float) -> float:
    """The upper confidence limit of the correlation within subjects by the F ratio between and within; 0 to 1.

    Searle (1971), Linear Models, ch. 9: exact for normal values and subjects of one size; with unequal sizes their
    mean n0 stands for it. 0 where every subject has one cell: there is nothing to be alike.
    """
    sizes = np.bincount(of_cell)
    subjects, cells = len(sizes), len(values)
    if cells == subjects:
        return 0.0
    means = np.bincount(of_cell, values) / sizes
    between = (sizes * (means - values.mean()) ** 2).sum() / (subjects - 1)
    within = ((values - means[of_cell]) ** 2).sum() / (cells - subjects)
    size = (cells - (sizes**2).sum() / cells) / (subjects - 1)
    # between / within over the ratio's lower quantile, kept free of a division by a `within` of 0
    quantile = special.fdtri(subjects - 1, cells - subjects, 1 - confidence)
    above, below = between - quantile * within, between + (size - 1) * quantile * within
    return float(max(0.0, above / below)) if below > 0 else 0.0


def tail_correlation(scores: Floats, of_cell: Indices, share: float) -> float:
    """The correlation (0 to HIGHEST) at which two cells of a subject are both among the lowest as often as seen.

    `share` of all cells count as lowest. A pair of cells is in that tail together with E[p(b)^2], p(b) being the chance
    that a cell of a subject with part b is in it.
    """
    low = scores < np.quantile(scores, share)
    sizes, lows = np.bincount(of_cell), np.bincount(of_cell, low)
    pairs = (sizes * (sizes - 1)).sum()
    if not pairs or not low.any():
        return 0.0
    line = special.ndtri(low.mean())
    chances = special.ndtr((line - np.sqrt(_GRID)[:, None] * _PARTS) / np.sqrt(1 - _GRID)[:, None])  # (grid, parts)
    return float(np.interp((lows * (lows - 1)).sum() / pairs, (chances**2).mean(axis=1), _GRID))


_GROUPS = 500
_SEED = 0
# Bounds the memory of a chunk of drawn groups.
_NUMBERS_AT_ONCE = 2_000_000
# How far the search goes that says what would be needed: times the inner subjects, and cells.
_MOST_TIMES = 64
_MOST_DRAWN = 100_000
# In another group as large, four or more subjects are worse than the worst of this one in 1 case of 16, whatever the
# law (all orders of both groups being as likely): the worst subject is counted three times.
_WORST_AGAIN = 2


@dataclass(frozen=True)
class ReferralBand:
    """A cell whose calibrated blast score (0-1) lies in [low, high] goes to a person.

    Below `low` it may be signed off as normal: in another group of as many subjects, with as many blasts each, at most
    `miss_rate` of all blasts lie there, with `confidence`. Above `high` it may be signed off as a blast: at most
    `false_alarm_rate` of normals lie there. No cell is signed off against its score: `low` is at most 0.5, `high` at
    least. Where the inner cells cannot promise the rate, `low` is 0 (or `high` 1), nothing is signed off on that side,
    and the reason says what it would take.
    """

    low: float
    high: float
    miss_rate: float
    false_alarm_rate: float
    confidence: float
    blasts: int
    normals: int
    low_reason: str | None = None
    high_reason: str | None = None

    def refers(self, blast_scores: ArrayLike) -> NDArray[np.bool_]:
        """Which scores (N,) go to a person; one that is not a number does."""
        scores = np.asarray(blast_scores, dtype=np.float64)
        return np.asarray(~((scores < self.low) | (scores > self.high)))


@dataclass(frozen=True)
class _Cells:
    """The inner cells of one class, `name` in the plural; a low score (N,) is a mistake."""

    name: str
    scores: Floats
    of_cell: Indices

    @property
    def sizes(self) -> Indices:
        return np.bincount(self.of_cell)


def fit_band(
    blast_scores: ArrayLike,
    is_blast: ArrayLike,
    subjects: ArrayLike,
    *,
    miss_rate: float = 0.01,
    false_alarm_rate: float = 0.05,
    confidence: float = 0.95,
) -> ReferralBand:
    """Geometry the band on inner cells: calibrated scores (N,) in 0-1, which are blasts (N,), whose they are (N,).

    The cells must be new to the model and to its calibration. Raises LymphoscopeError for scores outside 0-1, a cell
    without a subject, or rates outside 0-1.
    """
    scores, truth, names = _checked(blast_scores, is_blast, subjects, (miss_rate, false_alarm_rate, confidence))
    blasts = _cells("blasts", scores[truth], names[truth])
    normals = _cells("normals", -scores[~truth], names[~truth])
    low, low_reason = _lowest_kept(blasts, miss_rate, confidence)
    high, high_reason = _lowest_kept(normals, false_alarm_rate, confidence)
    return ReferralBand(
        low=0.0 if low is None else min(low, 0.5),
        high=1.0 if high is None else max(-high, 0.5),
        miss_rate=miss_rate,
        false_alarm_rate=false_alarm_rate,
        confidence=confidence,
        blasts=len(blasts.scores),
        normals=len(normals.scores),
        low_reason=low_reason,
        high_reason=high_reason,
    )


def _checked(
    blast_scores: ArrayLike, is_blast: ArrayLike, subjects: ArrayLike, rates: tuple[float, ...]
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.object_]]:
    scores, truth = np.asarray(blast_scores, dtype=np.float64), np.asarray(is_blast, dtype=bool)
    names = np.asarray(subjects, dtype=object)
    if not scores.shape == truth.shape == names.shape == (len(scores),):
        raise LymphoscopeError(f"referral: {scores.shape} scores, {truth.shape} labels, {names.shape} subjects")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise LymphoscopeError("referral: a blast score is not in 0-1, leave out cells without a prediction")
    if any(name is None or name != name for name in names):
        raise LymphoscopeError("referral: a cell has no subject, so it is unknown which cells resemble each other")
    if not all(0 < rate < 1 for rate in rates):
        raise LymphoscopeError(f"referral: rates and confidence {rates} must lie between 0 and 1")
    return scores, truth, names


def _cells(name: str, scores: Floats, subjects: NDArray[np.object_]) -> _Cells:
    _, of_cell = np.unique(subjects.astype(str), return_inverse=True)
    return _Cells(name, scores, of_cell)


def _lowest_kept(cells: _Cells, rate: float, confidence: float) -> tuple[float | None, str | None]:
    """The highest threshold below which at most `rate` of another group's cells lie, or why there is none."""
    if len(cells.sizes) < 2:
        return None, f"fewer than two subjects have {cells.name}, so how much subjects differ cannot be seen"
    alike = likeness(cells.scores, cells.of_cell, confidence)
    allowed = cells_allowed(cells.sizes, alike, rate, confidence)
    if allowed is None:
        return None, _too_few(cells, alike, rate, confidence)
    order = np.argsort(cells.scores, kind="stable")
    below = _with_the_worst_again(cells.of_cell[order], cells.sizes, allowed)
    return float(cells.scores[order[below]]), None


def cells_allowed(sizes: Indices, alike: float, rate: float, confidence: float) -> int | None:
    """How many of the cells of subjects of `sizes` (S,) may lie below a threshold that keeps `rate` in another group.

    Two groups are drawn, alike in sizes and in correlation; the threshold is the (c + 1)-th lowest score of the first.
    The greatest c is taken for which more than `rate` of the second group's cells lie below it in at most a share
    1 - `confidence` of the draws; None where not even c = 0 will do. Independent cells would have to be 400 for 1 %, 80
    for 5 %.
    """
    most = int(rate * sizes.sum())
    lowest = _lowest_of_groups(sizes, alike, most + 1)
    limit = np.sort(lowest[:, most])  # above this threshold, too many of the second group
    too_many = np.searchsorted(limit, lowest).mean(axis=0) / len(limit)  # (most + 1,), every group with every other
    kept = int((too_many <= 1 - confidence).sum())
    return kept - 1 if kept else None


def _lowest_of_groups(sizes: Indices, alike: float, count: int) -> Floats:
    """The `count` lowest normal scores of drawn groups of subjects, in order: (groups, count)."""
    generator = np.random.default_rng(_SEED)
    of_cell = np.repeat(np.arange(len(sizes)), sizes)
    at_once = max(1, _NUMBERS_AT_ONCE // len(of_cell))
    lowest: list[Floats] = []
    for done in range(0, _GROUPS, at_once):
        groups = min(at_once, _GROUPS - done)
        parts = generator.standard_normal((groups, len(sizes)), dtype=np.float32) * np.float32(np.sqrt(alike))
        own = generator.standard_normal((groups, len(of_cell)), dtype=np.float32) * np.float32(np.sqrt(1 - alike))
        own += parts[:, of_cell]
        lowest.append(np.sort(np.partition(own, count - 1, axis=1)[:, :count], axis=1))
    return np.concatenate(lowest)


def _with_the_worst_again(of_cell: Indices, sizes: Indices, allowed: int) -> int:
    """How many cells may lie below where the worst subject is imagined again; subjects in order of score (N,).

    Few subjects show little of the worst there are. Conformal risk control (Angelopoulos et al. 2024) imagines one more
    subject with every cell missed, which under 99 subjects never allows 1 %; here they are like the worst that was
    seen. The rate, not the count, is held.
    """
    rate, below = allowed / sizes.sum(), np.zeros(len(sizes))
    for count, subject in enumerate(of_cell[: allowed + 1]):
        worst = int(below.argmax())
        if count + _WORST_AGAIN * below[worst] > rate * (sizes.sum() + _WORST_AGAIN * sizes[worst]):
            return count - 1
        below[subject] += 1
    return allowed


def _too_few(cells: _Cells, alike: float, rate: float, confidence: float) -> str:
    count, subjects, times, enough = len(cells.scores), len(cells.sizes), 1, False
    while not enough and 2 * times <= _MOST_TIMES and 2 * times * count <= _MOST_DRAWN:
        times *= 2
        enough = cells_allowed(np.tile(cells.sizes, times), alike, rate, confidence) is not None
    return (
        f"{count} {cells.name} of {subjects} subjects cannot promise {rate:g} with confidence {confidence:g}: "
        f"{'about' if enough else 'more than'} {times * count} of {times * subjects} subjects would be needed"
    )
