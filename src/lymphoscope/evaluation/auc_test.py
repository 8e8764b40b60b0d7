"""A test of two areas under the ROC curve of the same cells, where cells of one subject resemble each other.

Obuchowski (1997), Nonparametric analysis of clustered ROC curve data, Biometrics 53, 567-578. With one cell per subject
it is the test of DeLong et al. (1988).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from lymphoscope.evaluation.estimates import Difference
from lymphoscope.evaluation.intervals import LEVEL
from lymphoscope.evaluation.outcomes import Floats, Mask, ratio


@dataclass(frozen=True)
class AucCovariance:
    """The areas (A,) of A scores of the same cells, their covariance (A, A), and its degrees of freedom."""

    areas: Floats
    covariance: Floats
    degrees: float = np.inf

    @property
    def standard_error(self) -> float:
        """The standard error of the first area minus the second."""
        variance = self.covariance[0, 0] + self.covariance[1, 1] - 2 * self.covariance[0, 1]
        return float(np.sqrt(max(0.0, variance)))

    def difference(self) -> Difference:
        """The first area minus the second, with a t interval."""
        one, other = float(self.areas[0]), float(self.areas[1])
        value, spread = one - other, self.standard_error
        if spread < 1e-12:
            p, reason = (1.0, "both rank the cells the same") if value == 0 else (None, "the areas have no spread")
            return Difference(value=value, p=p, reason=reason, one=one, other=other)
        reach = self._t((1 + LEVEL) / 2) * spread
        tail = special.ndtr if np.isinf(self.degrees) else lambda z: special.stdtr(self.degrees, z)
        p = 2 * float(tail(-abs(value) / spread))
        return Difference(value=value, low=value - reach, high=value + reach, p=p, one=one, other=other)

    def _t(self, level: float) -> float:
        return float(special.ndtri(level) if np.isinf(self.degrees) else special.stdtrit(self.degrees, level))


def auc_covariance(positive: Mask, scores: Floats, subjects: NDArray[np.object_] | None = None) -> AucCovariance:
    """Areas and covariance of A scores by midranks in N log N (Sun and Xu 2014).

    positive (N,), scores (A, N), `subjects` (N,) of the cells; without them the cells are independent. Needs two
    positives and two negatives, of two subjects each.
    """
    of_positives, of_negatives = scores[:, positive], scores[:, ~positive]
    positives, negatives = of_positives.shape[1], of_negatives.shape[1]
    ranks = _midranks(scores)
    above = (ranks[:, positive] - _midranks(of_positives)) / negatives  # (A, m): share of the negatives below each
    below = 1 - (ranks[:, ~positive] - _midranks(of_negatives)) / positives
    areas = above.mean(axis=1)
    if subjects is None:
        covariance = np.cov(above) / positives + np.cov(below) / negatives
        return AucCovariance(areas, np.atleast_2d(covariance))
    codes = np.unique(subjects.astype(str), return_inverse=True)[1]
    sums = [
        _by_subject(parts - areas[:, None], codes[mask], codes.max() + 1) / len(codes[mask])
        for parts, mask in ((above, positive), (below, ~positive))
    ]
    numbers = [len(np.unique(codes[mask])) for mask in (positive, ~positive)]
    factors = [number / (number - 1) for number in numbers]
    covariance = sum(factor * part @ part.T for factor, part in zip(factors, sums, strict=True))
    both = sums[0] @ sums[1].T * max(factors)  # subjects with cells of both classes
    covariance = covariance + both + both.T
    return AucCovariance(areas, np.atleast_2d(covariance), _degrees(sums, numbers))


def _degrees(sums: list[Floats], numbers: list[int]) -> float:
    """Satterthwaite's degrees of freedom of the difference of the first two areas."""
    if len(sums[0]) < 2:
        return float(min(numbers) - 1)
    variances = np.array([float(((part[0] - part[1]) ** 2).sum()) for part in sums])
    share = ratio(variances**2, np.array(numbers) - 1.0).sum()
    return float(variances.sum() ** 2 / share) if share > 0 else float(min(numbers) - 1)


def _by_subject(parts: Floats, codes: NDArray[np.intp], subjects: int) -> Floats:
    return np.stack([np.bincount(codes, row, minlength=subjects) for row in parts])


def _midranks(scores: Floats) -> Floats:
    """Ranks from 1 within each row; equal scores share their mean rank."""
    return np.array([_midranks_of(row) for row in scores])


def _midranks_of(row: Floats) -> Floats:
    _, index, counts = np.unique(row, return_inverse=True, return_counts=True)
    middle: Floats = (np.cumsum(counts) - (counts - 1) / 2)[index]
    return middle
