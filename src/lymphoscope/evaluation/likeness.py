"""How alike the scores of one subject's cells are: the correlation within subjects, over all scores and in the tail.

The scale of a score means nothing here: cells are compared by rank, as normal scores (van der Waerden), so that their
law is a standard normal one, and a cell is a subject's part plus its own, z = sqrt(r) b + sqrt(1 - r) e.
"""

import numpy as np
from scipy import special

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
