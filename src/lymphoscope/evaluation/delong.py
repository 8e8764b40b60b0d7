"""DeLong's test of two areas under the ROC curve of the same cells."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from lymphoscope.evaluation.intervals import LEVEL
from lymphoscope.evaluation.measured import Difference
from lymphoscope.evaluation.metrics import Floats


@dataclass(frozen=True)
class DeLong:
    """The areas (A,) of A scores of the same cells, and their covariance (A, A) (DeLong et al. 1988)."""

    areas: Floats
    covariance: Floats

    @property
    def spread(self) -> float:
        """The standard error of the first area less the second."""
        variance = self.covariance[0, 0] + self.covariance[1, 1] - 2 * self.covariance[0, 1]
        return float(np.sqrt(max(0.0, variance)))

    def difference(self) -> Difference:
        """The first area less the second, with a normal interval."""
        one, other = float(self.areas[0]), float(self.areas[1])
        value, spread = one - other, self.spread
        if spread == 0:
            p, reason = (1.0, "the two rank the cells alike") if value == 0 else (None, "the areas have no spread")
            return Difference(value=value, p=p, reason=reason, one=one, other=other)
        reach = float(special.ndtri((1 + LEVEL) / 2)) * spread
        p = 2 * float(special.ndtr(-abs(value) / spread))
        return Difference(value=value, low=value - reach, high=value + reach, p=p, one=one, other=other)


def delong(positive: NDArray[np.bool_], scores: Floats) -> DeLong:
    """Positive (N,), scores (A, N) -> areas and covariance, by midranks in N log N (Sun and Xu 2014).

    The cells are taken as independent of each other. At least two positives and two negatives are needed.
    """
    ups, downs = scores[:, positive], scores[:, ~positive]
    of_ups, of_downs = ups.shape[1], downs.shape[1]
    ranks = _midranks(scores)
    above = (ranks[:, positive] - _midranks(ups)) / of_downs  # (A, m): share of the negatives below each positive
    below = 1 - (ranks[:, ~positive] - _midranks(downs)) / of_ups
    covariance = np.cov(above) / of_ups + np.cov(below) / of_downs
    return DeLong(above.mean(axis=1), np.atleast_2d(covariance))


def _midranks(scores: Floats) -> Floats:
    """Ranks from 1 within each row; equals share the mean of theirs."""
    return np.array([_midranks_of(row) for row in scores])


def _midranks_of(row: Floats) -> Floats:
    _, place, counts = np.unique(row, return_inverse=True, return_counts=True)
    middle: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return middle
