"""A share counted on few cells: on which side of a threshold it lies, and its correction for errors."""

from typing import Literal

import numpy as np

from lymphoscope.evaluation.intervals import exact_interval
from lymphoscope.evaluation.outcomes import Floats, ratio

Side = Literal["above", "below", "undecided"]
# More than anybody counts on the slides of one person.
MAX_CELLS = 100_000


def side_of(positive: float, cells: float, threshold: float) -> Side:
    """Whether the exact 95 % interval lies wholly above or below `threshold` (0-1); undecided without cells."""
    low, high = exact_interval(positive, cells) if cells else (0.0, 1.0)
    if low > threshold:
        return "above"
    return "below" if high < threshold else "undecided"


def more_cells(positive: int, cells: int, threshold: float) -> int | None:
    """How many more cells, with the same share of positives, would decide the side of `threshold`.

    None where it is decided, without cells, and where MAX_CELLS would not be enough (the share is near the threshold).
    """
    if not cells or side_of(positive, cells, threshold) != "undecided":
        return None
    few, enough = cells, 2 * cells
    while side_of(positive / cells * enough, enough, threshold) == "undecided":
        if enough - cells > MAX_CELLS:
            return None
        few, enough = enough, 2 * enough
    while enough - few > 1:  # more cells with the same share never undo a decision
        middle = (few + enough) // 2
        undecided = side_of(positive / cells * middle, middle, threshold) == "undecided"
        few, enough = (middle, enough) if undecided else (few, middle)
    return enough - cells if enough - cells <= MAX_CELLS else None


def rogan_gladen(share: float | Floats, sensitivity: float | Floats, specificity: float | Floats) -> Floats:
    """The true share for an apparent share q: (q + sp - 1) / (se + sp - 1) clipped to 0-1; NaN where se + sp <= 1.

    Rogan & Gladen (1978), Estimating prevalence from the results of a screening test, Am J Epidemiol 107, 71-76. With
    se + sp <= 1 a prediction carries no information about the class of a cell.
    """
    return np.clip(ratio(share + specificity - 1, sensitivity + specificity - 1), 0, 1)
