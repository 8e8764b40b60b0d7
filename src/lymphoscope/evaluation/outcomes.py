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
    def is_first_or_positive(self) -> Mask:
        """(N,) which cells are labelled as the positive class or, where there is no such class, as the first."""
        return np.equal(self.truth, self.positive_index or 0)

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
class Weights:
    """R weightings of N cells that belong to U units: a cell has the weight of its unit, times its own.

    `of_unit` (R, U), `unit_of_cell` (N,), `of_cell` (N,), the same in all weightings, None for 1. Sums over cells are
    taken unit by unit first, so that they cost U and not N for each weighting.
    """

    of_unit: Floats
    unit_of_cell: Indices
    of_cell: Floats | None = None

    @classmethod
    def of_cells(cls, weights: Floats) -> Self:
        """Weights (R, N) in which every cell is a unit."""
        return cls(weights, np.arange(weights.shape[1]))

    @property
    def num_weightings(self) -> int:
        """R."""
        return len(self.of_unit)

    @property
    def fixed(self) -> Floats:
        """(N,) the part of the weights that is the same in all weightings."""
        return np.ones(len(self.unit_of_cell)) if self.of_cell is None else self.of_cell

    @property
    def total(self) -> Floats:
        """(R,) the weight of all cells."""
        return self.sum(np.ones((len(self.unit_of_cell), 1)))[:, 0]

    def of_every_cell(self) -> Floats:
        """(R, N)."""
        weights = self.of_unit[:, self.unit_of_cell]
        return weights if self.of_cell is None else weights * self.of_cell

    def sum(self, values: Floats) -> Floats:
        """(N, C) values of each cell -> (R, C) their weighted sums."""
        columns = values if self.of_cell is None else values * self.of_cell[:, None]
        return np.asarray(self.of_unit @ self.by_unit(columns))

    def by_unit(self, values: Floats) -> Floats:
        """(N, C) values of each cell -> (U, C) their sums in each unit, without any weight."""
        units = self.of_unit.shape[1]
        if len(self.unit_of_cell) == units and (np.diff(self.unit_of_cell) == 1).all():
            return values
        return np.stack([np.bincount(self.unit_of_cell, column, minlength=units) for column in values.T], axis=1)

    def sum_by_level(self, level: Indices, levels: int, values: Floats) -> Floats:
        """`values` (N,) of cells with a `level` (N,) -> (R, levels) their weighted sums in each level."""
        from scipy import sparse  # takes longer to import than a cell to predict

        cells = (values * self.fixed, (self.unit_of_cell, level))
        return np.asarray(self.of_unit @ sparse.csr_array(cells, shape=(self.of_unit.shape[1], levels)))

    def mean(self, values: Floats) -> Floats:
        """(N, C) values of each cell -> (R, C) their weighted means, NaN without weight."""
        return ratio(self.sum(values), self.total[:, None])

    def at(self, cells: Mask) -> Self:
        """The weights of some cells."""
        if cells.all():
            return self
        fixed = None if self.of_cell is None else self.of_cell[cells]
        return type(self)(self.of_unit, self.unit_of_cell[cells], fixed)


@dataclass(frozen=True)
class WeightedOutcomes:
    """N cells under R weightings: what a metric is computed from."""

    outcomes: Outcomes
    weights: Weights

    @classmethod
    def unweighted(cls, outcomes: Outcomes) -> Self:
        """Every cell with weight 1, as one weighting."""
        return cls(outcomes, Weights.of_cells(np.ones((1, len(outcomes.truth)))))

    @cached_property
    def confusions(self) -> Floats:
        """(R, K, K) confusion matrices: rows the label, columns the prediction."""
        num_classes = len(self.outcomes.classes)
        cells = np.zeros((len(self.outcomes.truth), num_classes * num_classes))  # one 1 per row
        cells[np.arange(len(cells)), self.outcomes.truth * num_classes + self.outcomes.predicted] = 1
        return self.weights.sum(cells).reshape(-1, num_classes, num_classes)


def ratio(numerator: float | Floats, denominator: float | Floats) -> Floats:
    """The quotients, broadcast; NaN where the denominator is not positive."""
    empty = np.full(np.broadcast_shapes(np.shape(numerator), np.shape(denominator)), np.nan)
    return np.asarray(np.divide(numerator, denominator, out=empty, where=np.asarray(denominator) > 0))


def coarse_levels(level: Indices, most: int = 500) -> Indices:
    """Levels (N,) 0, 1, ... in at most `most` groups of neighbouring levels with about equal numbers of cells.

    Enough for the spread of a ranking metric over replicates, in which it saves most of the time.
    """
    if len(level) == 0 or level.max() < most:
        return level
    below = np.concatenate([[0], np.cumsum(np.bincount(level))[:-1]])  # cells in lower levels
    return np.unique(below * most // len(level), return_inverse=True)[1][level]
