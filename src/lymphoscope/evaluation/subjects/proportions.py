"""A share counted on few cells: its exact interval, what lies behind it, and how many cells would settle its side."""

from typing import Any, Literal

import numpy as np
from scipy import special

from lymphoscope.evaluation.intervals import LEVEL
from lymphoscope.evaluation.metrics import Floats

Numbers = float | Floats
Side = Literal["above", "below", "undecided"]
# More than anybody counts on the slides of one person.
MOST_CELLS = 100_000


def exact_interval(found: Numbers, of: Numbers, level: float = LEVEL) -> tuple[Any, Any]:
    """The bounds of `found` of `of` (any shape, `of` > 0) by Clopper and Pearson (1934), by quantiles of the beta law.

    Never too narrow, whatever the truth. `found` need not be whole.
    """
    yes, no = np.asarray(found), np.asarray(of - found)
    tail = (1 - level) / 2
    # The quantile is undefined where a count is 0; there the bound is the end of the scale.
    low = special.betaincinv(np.where(yes > 0, yes, 1), no + 1, tail)
    high = special.betaincinv(yes + 1, np.where(no > 0, no, 1), 1 - tail)
    return np.where(yes > 0, low, 0.0)[()], np.where(no > 0, high, 1.0)[()]


def side_of(found: float, of: float, line: float) -> Side:
    """Whether the exact 95 % interval lies wholly above or wholly below `line` (0-1); undecided for no cells."""
    low, high = exact_interval(found, of) if of else (0.0, 1.0)
    if low > line:
        return "above"
    return "below" if high < line else "undecided"


def more_cells(found: int, of: int, line: float) -> int | None:
    """How many more cells, of which the same share is found, would decide the side of `line`.

    None where it is decided, where there are no cells yet, and where MOST_CELLS would not do (the share is the line, or
    all but).
    """
    if not of or side_of(found, of, line) != "undecided":
        return None
    few, enough = of, 2 * of
    while side_of(found / of * enough, enough, line) == "undecided":
        if enough - of > MOST_CELLS:
            return None
        few, enough = enough, 2 * enough
    while enough - few > 1:  # more cells of the same share never undo a decision
        middle = (few + enough) // 2
        undecided = side_of(found / of * middle, middle, line) == "undecided"
        few, enough = (middle, enough) if undecided else (few, middle)
    return enough - of if enough - of <= MOST_CELLS else None


def rogan_gladen(share: Numbers, sensitivity: Numbers, specificity: Numbers) -> Floats:
    """The true share behind a share called, (q + sp - 1) / (se + sp - 1) held to 0-1; NaN where se + sp <= 1.

    Rogan & Gladen (1978), Estimating prevalence from the results of a screening test, Am J Epidemiol 107, 71-76. With
    se + sp <= 1 a call says nothing, or the contrary, of what a cell is.
    """
    return np.clip(ratio(share + specificity - 1, sensitivity + specificity - 1), 0, 1)


def ratio(above: Numbers, below: Numbers) -> Floats:
    """One by the other, NaN where `below` is not positive."""
    empty = np.full(np.broadcast_shapes(np.shape(above), np.shape(below)), np.nan)
    return np.asarray(np.divide(above, below, out=empty, where=np.asarray(below) > 0))
