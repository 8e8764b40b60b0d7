"""Labels, predictions and scores of cells as arrays, and their sums under many weightings at once.

A bootstrap replicate is a weight for each cell. The value (all weights 1) and a thousand replicates are therefore one
computation over weights (R, N), and every metric is written for R weightings.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Outcomes:
    """Labels and predictions of N cells, by class index.

    truth (N,), predicted (N,), scores (N, K) in 0-1; `classes` are K names, `positive_index` is the index of the
    positive (blast) class, None where no class is one.
    """

    truth: Indices
    predicted: Indices
    scores: Floats
    classes: tuple[str, ...]
    positive_index: int | None

    @property
    def is_positive(self) -> Mask:
        """(N,) which cells are labelled as the positive class; none where there is no such class."""
        return np.equal(self.truth, -1 if self.positive_index is None else self.positive_index)

    @property
    def correct(self) -> Mask:
        """(N,) which cells are predicted as labelled."""
        return np.equal(self.predicted, self.truth)

    @property
    def predicted_score(self) -> Floats:
        """(N,) the score of the predicted class."""
        return self.scores[np.arange(len(self.truth)), self.predicted]

    def at(self, rows: NDArray[Any]) -> Self:
        """The outcomes of some rows, given as a mask or as indices."""
        return type(self)(self.truth[rows], self.predicted[rows], self.scores[rows], self.classes, self.positive_index)


@dataclass(frozen=True)
class WeightedOutcomes:
    """N cells under R weightings, `weights` (R, N): what a metric is computed from."""

    outcomes: Outcomes
    weights: Floats

    @classmethod
    def unweighted(cls, outcomes: Outcomes) -> Self:
        """Every cell with weight 1, as one weighting."""
        return cls(outcomes, np.ones((1, len(outcomes.truth))))

    @cached_property
    def confusions(self) -> Floats:
        """(R, K, K) confusion matrices: rows the label, columns the prediction."""
        num_classes = len(self.outcomes.classes)
        cells = np.zeros((len(self.outcomes.truth), num_classes * num_classes))  # one 1 per row
        cells[np.arange(len(cells)), self.outcomes.truth * num_classes + self.outcomes.predicted] = 1
        return self.total(cells).reshape(-1, num_classes, num_classes)

    def total(self, values: Floats) -> Floats:
        """(N, C) values of each cell -> (R, C) their weighted sums."""
        return np.asarray(self.weights @ values)

    def mean(self, values: Floats) -> Floats:
        """(N, C) values of each cell -> (R, C) their weighted means, NaN without weight."""
        return ratio(self.total(values), self.weights.sum(axis=1, keepdims=True))

    @property
    def num_weightings(self) -> int:
        """R."""
        return len(self.weights)


def ratio(numerator: float | Floats, denominator: float | Floats) -> Floats:
    """The quotients, broadcast; NaN where the denominator is not positive."""
    empty = np.full(np.broadcast_shapes(np.shape(numerator), np.shape(denominator)), np.nan)
    return np.asarray(np.divide(numerator, denominator, out=empty, where=np.asarray(denominator) > 0))
