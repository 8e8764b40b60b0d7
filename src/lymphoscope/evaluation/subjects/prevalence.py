"""The share of blasts behind the share called blast, given how often the classifier errs on other subjects.

A subject's interval comes from R draws. In each, sensitivity and specificity are those of another sample of the other
subjects (a bootstrap over subjects), spread by as much as subjects differ beyond chance, since this subject's own are
meant; and the share called is drawn from the two beta laws whose 2.5 % and 97.5 % points are the exact
(Clopper-Pearson) bounds, the lower law for the lower bound and the upper for the upper. Rogan-Gladen's estimate of each
draw is taken: the 2.5 % point of the lower ones and the 97.5 % point of the upper ones are the bounds. With a
classifier that never errs they are the exact interval. A draw in which a call tells nothing (se + sp <= 1) excludes
nothing: it counts as 0 below and as 1 above.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lymphoscope.evaluation.intervals import LEVEL
from lymphoscope.evaluation.metrics import Floats
from lymphoscope.evaluation.subjects.proportions import ratio, rogan_gladen

# A beta law needs both of its counts above 0.
_LEAST = 1e-6


@dataclass(frozen=True)
class RateOfOthers:
    """How often the classifier is right on one class in the other subjects, seen from each of S subjects.

    `value` (S,) as counted, NaN where no other subject has such cells; `drawn` (R, S); `subjects` (S,) how many others
    have such cells.
    """

    value: Floats
    drawn: Floats
    subjects: Floats

    def of(self, owner: NDArray[np.intp]) -> "RateOfOthers":
        """The same, seen from the subject of each slide (U,)."""
        return RateOfOthers(self.value[owner], self.drawn[:, owner], self.subjects[owner])


def rate_of_others(right: Floats, of: Floats, weights: Floats, generator: np.random.Generator) -> RateOfOthers:
    """`right` of `of` cells of S subjects, and how often each is drawn (R, S) -> the rates that the others show."""
    has = (of > 0).astype(np.float64)
    value = ratio(right.sum() - right, of.sum() - of)
    drawn = ratio((weights @ right)[:, None] - weights * right, (weights @ of)[:, None] - weights * of)
    spread = np.broadcast_to(spread_of_others(right, of), drawn.shape)
    varies = (spread > 0) & ~np.isnan(drawn)
    size = 1 / spread[varies] - 1
    drawn[varies] = generator.beta(
        np.maximum(_LEAST, drawn[varies] * size), np.maximum(_LEAST, (1 - drawn[varies]) * size)
    )
    return RateOfOthers(value, drawn, has.sum() - has)


def spread_of_others(right: Floats, of: Floats) -> Floats:
    """By how much subjects' rates differ beyond chance, in the others of each: the correlation within subjects (S,).

    The analysis-of-variance estimator for right-or-wrong data (Ridout, Demetrio & Firth 1999, Biometrics 55, 137-148),
    0 where chance alone would explain the differences, or where there is too little to tell.
    """
    has, own = (of > 0).astype(np.float64), np.nan_to_num(ratio(right**2, of))
    subjects, cells, rights, squares, sizes = (part.sum() - part for part in (has, of, right, own, of**2))
    between = ratio(squares - ratio(rights**2, cells), subjects - 1)
    within = ratio(rights - squares, cells - subjects)
    size = ratio(cells - ratio(sizes, cells), subjects - 1)
    spread = ratio(between - within, between + (size - 1) * within)
    return np.clip(np.nan_to_num(spread), 0, 1 - _LEAST)


def corrected_bounds(
    called: Floats, cells: Floats, sensitivity: RateOfOthers, specificity: RateOfOthers, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """The 95 % bounds (U,) of the corrected share of U subjects or slides with `cells` > 0."""
    shape = sensitivity.drawn.shape
    low = generator.beta(np.maximum(called, _LEAST), cells - called + 1, shape) * (called > 0)
    high = np.where(called < cells, generator.beta(called + 1, np.maximum(cells - called, _LEAST), shape), 1.0)
    lows, highs = (rogan_gladen(share, sensitivity.drawn, specificity.drawn) for share in (low, high))
    tail = (1 - LEVEL) / 2
    return (
        np.quantile(np.nan_to_num(lows, nan=0.0), tail, axis=0),
        np.quantile(np.nan_to_num(highs, nan=1.0), 1 - tail, axis=0),
    )
