"""Tests for cells that resemble each other within a subject: sign flips over subjects, several tests, several seeds."""

from collections.abc import Sequence
from itertools import product
from typing import Final

import numpy as np
from scipy import special

from lymphoscope.evaluation.outcomes import Floats

_MOST_EXACT: Final = 14
_DRAWS: Final = 9_999


def sign_flip_p(differences: Floats, seed: int = 0) -> float:
    """Two-sided p of the sum of `differences` (S,), one per subject, if each could as well have the other sign.

    For two equally good models it is equally likely which of them is the better on a subject, however much the cells
    of the subject resemble each other (Fisher's randomisation test). All signs are tried for up to 14 subjects with a
    difference, else 9,999 random ones, so that the smallest p is 0.0001.
    """
    nonzero = differences[differences != 0]
    if len(nonzero) == 0:
        return 1.0
    observed = abs(nonzero.sum()) - 1e-9 * np.abs(nonzero).max()
    if len(nonzero) <= _MOST_EXACT:
        signs = np.array(list(product((-1.0, 1.0), repeat=len(nonzero))))
        return float((np.abs(signs @ nonzero) >= observed).mean())
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), (_DRAWS, len(nonzero)))
    return float((1 + (np.abs(signs @ nonzero) >= observed).sum()) / (_DRAWS + 1))


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
