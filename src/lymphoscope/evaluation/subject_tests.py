"""Tests for cells that resemble each other within a subject: sign flips over subjects, several tests, several seeds."""

from collections.abc import Sequence
from itertools import product
from typing import Final

import numpy as np
from scipy import special

from lymphoscope.evaluation.outcomes import Floats

_MOST_EXACT: Final = 14
_DRAWS: Final = 9_999
_SAME, _ZERO = 1e-9, 1e-12  # of the largest difference, and of any
_LEVEL: Final = 0.05

NO_P: Final = "too few subjects differ between the two for any difference to have a p below 0.05"


def sign_flip_p(differences: Floats, seed: int = 0) -> float | None:
    """Two-sided p of the sum of `differences` (S,), one per subject, if each could as well have the other sign.

    For two equally good models it is equally likely which of them is the better on a subject, however much the cells
    of the subject resemble each other (Fisher's randomisation test). All signs are tried for up to 14 subjects with a
    difference, else 9,999 random ones. The p is that of `mid_p`, None for one to four subjects with a difference.
    """
    nonzero = differences[differences != 0]
    if len(nonzero) == 0:
        return 1.0
    if len(nonzero) <= _MOST_EXACT:
        signs = np.array(list(product((-1.0, 1.0), repeat=len(nonzero))))
        observed_first = np.concatenate([signs[-1:], signs[:-1]])
    else:
        signs = np.random.default_rng(seed).choice((-1.0, 1.0), (_DRAWS, len(nonzero)))
        observed_first = np.concatenate([np.ones((1, len(nonzero))), signs])
    return mid_p(observed_first @ nonzero)


def mid_p(differences: Floats) -> float | None:
    """Two-sided mid-p of the first of `differences` (R,), each of which was as likely; NaN counts as the largest.

    The share of the differences that are larger, and half of those that are equal. Few subjects, or counts of cells,
    allow few values of p; the plain share then rejects equal models far less often than its level (Lancaster 1961,
    Significance tests in discrete distributions, JASA 56, 223-234). None where p could not be below 0.05, however large
    the difference; 1 if all are 0.
    """
    size = np.nan_to_num(np.abs(differences), nan=np.inf)
    largest = float(size[np.isfinite(size)].max(initial=0.0))
    if largest < _ZERO:
        return 1.0
    same = _SAME * largest
    if _mid_share(size, largest, same) > _LEVEL:
        return None
    return _mid_share(size, float(size[0]), same)


def _mid_share(size: Floats, observed: float, same: float) -> float:
    return float(((size > observed + same).mean() + (size >= observed - same).mean()) / 2)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p values of several tests, adjusted so that one false rejection among all is as rare as in one test.

    Holm (1979), A simple sequentially rejective multiple test procedure, Scand J Stat 6, 65-70. None stays None.
    """
    order = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, index) in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p))
        adjusted[index] = highest
    return adjusted


def resampled_t_p(differences: Floats, test_fraction: float) -> float:
    """Two-sided p of a mean difference over R > 1 runs (R,) with different splits or seeds.

    Runs that share training cells are not independent: their variance is raised by test / train, the cells tested by
    those trained on. Nadeau and Bengio (2003), Inference for the generalization error, Mach Learn 52, 239-281.
    `test_fraction` is the share of the cells that a run tests, 0-1.
    """
    runs, mean = len(differences), float(differences.mean())
    variance = float(differences.var(ddof=1)) * (1 / runs + test_fraction / (1 - test_fraction))
    if variance == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * special.stdtr(runs - 1, -abs(mean) / np.sqrt(variance)))
