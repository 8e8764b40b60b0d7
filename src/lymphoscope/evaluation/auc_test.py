"""DeLong's test of two areas under the ROC curve of the same cells."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from lymphoscope.evaluation.estimates import Difference
from lymphoscope.evaluation.intervals import LEVEL
from lymphoscope.evaluation.outcomes import Floats, Mask


@dataclass(frozen=True)
class AucCovariance:
    """The areas (A,) of A scores of the same cells, and their covariance (A, A)."""

    areas: Floats
    covariance: Floats

    @property
    def standard_error(self) -> float:
        """The standard error of the first area minus the second."""
        variance = self.covariance[0, 0] + self.covariance[1, 1] - 2 * self.covariance[0, 1]
        return float(np.sqrt(max(0.0, variance)))

    def difference(self) -> Difference:
        """The first area minus the second, with a normal interval."""
        one, other = float(self.areas[0]), float(self.areas[1])
        value, spread = one - other, self.standard_error
        if spread == 0:
            p, reason = (1.0, "both rank the cells the same") if value == 0 else (None, "the areas have no spread")
            return Difference(value=value, p=p, reason=reason, one=one, other=other)
        reach = float(special.ndtri((1 + LEVEL) / 2)) * spread
        p = 2 * float(special.ndtr(-abs(value) / spread))
        return Difference(value=value, low=value - reach, high=value + reach, p=p, one=one, other=other)


def auc_covariance(positive: Mask, scores: Floats) -> AucCovariance:
    """Areas and covariance (DeLong et al. 1988) by midranks in N log N (Sun and Xu 2014).

    positive (N,), scores (A, N). Assumes independent cells. At least two positives and two negatives are needed.
    """
    of_positives, of_negatives = scores[:, positive], scores[:, ~positive]
    positives, negatives = of_positives.shape[1], of_negatives.shape[1]
    ranks = _midranks(scores)
    above = (ranks[:, positive] - _midranks(of_positives)) / negatives  # (A, m): share of the negatives below each
    below = 1 - (ranks[:, ~positive] - _midranks(of_negatives)) / positives
    covariance = np.cov(above) / positives + np.cov(below) / negatives
    return AucCovariance(above.mean(axis=1), np.atleast_2d(covariance))


def _midranks(scores: Floats) -> Floats:
    """Ranks from 1 within each row; equal scores share their mean rank."""
    return np.array([_midranks_of(row) for row in scores])


def _midranks_of(row: Floats) -> Floats:
    _, index, counts = np.unique(row, return_inverse=True, return_counts=True)
    middle: Floats = (np.cumsum(counts) - (counts - 1) / 2)[index]
    return middle
