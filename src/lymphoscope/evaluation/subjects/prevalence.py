"""The share of blasts of a subject, corrected for the errors that the classifier makes on other subjects.

The interval of a subject comes from R draws. In each draw, sensitivity and specificity are those of a bootstrap sample
of the other subjects, spread by as much as subjects differ beyond chance, because those of this subject are needed. The
predicted share is drawn from the two beta distributions whose 2.5 % and 97.5 % quantiles are the exact
(Clopper-Pearson) bounds: one for the lower bound, the other for the upper. The bounds are the 2.5 % quantile of the
Rogan-Gladen estimates of the lower draws and the 97.5 % quantile of those of the upper draws. For a classifier without
errors they are the exact interval. A draw in which a prediction carries no information (se + sp <= 1) excludes nothing:
it counts as 0 in the lower bound and as 1 in the upper.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lymphoscope.evaluation.intervals import LEVEL
from lymphoscope.evaluation.outcomes import Floats, Indices, ratio
from lymphoscope.evaluation.subjects.proportions import rogan_gladen

# A beta distribution needs both of its parameters above 0.
_LEAST = 1e-6


@dataclass(frozen=True)
class RateOfOthers:
    """For each of S subjects, the recall of one class on the cells of the other subjects.

    Subjects who share a cell are not others to each other. `value` (S,), NaN where no other subject has such cells;
    `drawn` (R, S) in the draws; `subjects` (S,) how many other subjects have such cells.
    """

    value: Floats
    drawn: Floats
    subjects: Floats

    def of(self, owner: NDArray[np.intp]) -> "RateOfOthers":
        """The same for the subject of each slide (U,)."""
        return RateOfOthers(self.value[owner], self.drawn[:, owner], self.subjects[owner])


def rate_of_others(
    correct: Floats, cells: Floats, weights: Floats, generator: np.random.Generator, groups: Indices | None = None
) -> RateOfOthers:
    """The rates of the other subjects, from `correct` of `cells` of S subjects and the weights (R, S) of the draws.

    Subjects of the same of `groups` (S,) have equal weights and are left out together; None if each is its own group.
    """
    groups = np.arange(len(cells)) if groups is None else groups
    has = (cells > 0).astype(np.float64)
    own_correct, own_cells = _own(correct, groups), _own(cells, groups)
    value = ratio(correct.sum() - own_correct, cells.sum() - own_cells)
    drawn = ratio(
        (weights @ correct)[:, None] - weights * own_correct, (weights @ cells)[:, None] - weights * own_cells
    )
    spread = np.broadcast_to(spread_of_others(correct, cells, groups), drawn.shape)
    varies = (spread > 0) & ~np.isnan(drawn)
    size = 1 / spread[varies] - 1
    drawn[varies] = generator.beta(
        np.maximum(_LEAST, drawn[varies] * size), np.maximum(_LEAST, (1 - drawn[varies]) * size)
    )
    return RateOfOthers(value, drawn, has.sum() - _own(has, groups))


def spread_of_others(correct: Floats, cells: Floats, groups: Indices | None = None) -> Floats:
    """The intraclass correlation of the rates of the other subjects (S,): how much they differ beyond chance.

    The analysis-of-variance estimator for binary data (Ridout, Demetrio & Firth 1999, Biometrics 55, 137-148); 0 where
    chance alone would explain the differences, or where there are too few cells to tell.
    """
    has, own = (cells > 0).astype(np.float64), np.nan_to_num(ratio(correct**2, cells))
    parts = (has, cells, correct, own, cells**2)
    groups = np.arange(len(cells)) if groups is None else groups
    subjects, total, total_correct, squares, sizes = (part.sum() - _own(part, groups) for part in parts)
    between = ratio(squares - ratio(total_correct**2, total), subjects - 1)
    within = ratio(total_correct - squares, total - subjects)
    size = ratio(total - ratio(sizes, total), subjects - 1)
    spread = ratio(between - within, between + (size - 1) * within)
    return np.clip(np.nan_to_num(spread), 0, 1 - _LEAST)


def corrected_bounds(
    predicted: Floats,
    cells: Floats,
    sensitivity: RateOfOthers,
    specificity: RateOfOthers,
    generator: np.random.Generator,
) -> tuple[Floats, Floats]:
    """The 95 % bounds (U,) of the corrected share, where `predicted` of `cells` (U,) are predicted as blasts."""
    shape = sensitivity.drawn.shape
    low = generator.beta(np.maximum(predicted, _LEAST), cells - predicted + 1, shape) * (predicted > 0)
    high = np.where(predicted < cells, generator.beta(predicted + 1, np.maximum(cells - predicted, _LEAST), shape), 1.0)
    lows, highs = (rogan_gladen(share, sensitivity.drawn, specificity.drawn) for share in (low, high))
    tail = (1 - LEVEL) / 2
    return (
        np.quantile(np.nan_to_num(lows, nan=0.0), tail, axis=0),
        np.quantile(np.nan_to_num(highs, nan=1.0), 1 - tail, axis=0),
    )


def _own(values: Floats, groups: Indices) -> Floats:
    """The sum of the group (S,) of each subject."""
    return np.asarray(np.bincount(groups, values)[groups])
