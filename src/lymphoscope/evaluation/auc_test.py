"""A test of two areas under the ROC curve of the same cells, where cells of one subject resemble each other.

For two equally good models either may be the one whose scores a subject got. Exchanging the two models' scores of whole
subjects therefore gives differences that were as likely as the one observed. The scores are compared as ranks, because
two models need not use the same scale (Venkatraman and Begg 1996, Biometrika 83, 835-848, for independent cells).

An exchange of ranks is exact only where no subject moves the ranks of all others. Below five equal subjects' worth of
either class the test rejects equal models too often, and there is none.

The difference of the areas is a sum over subjects in which an exchange changes one sign: positive cells contribute
their placement among the negative scores of both models, negative cells theirs among the positive scores. The test is
then that of sign flips.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lymphoscope.evaluation.estimates import AucTest
from lymphoscope.evaluation.outcomes import Floats, Indices, Mask
from lymphoscope.evaluation.subject_tests import NO_P, sign_flip_p

LEAST_UNITS: Final = 5.0
"""Kish's effective number of units, in either class, below which the areas are not tested."""


def compare_areas(
    positive: Mask, scores: Floats, units: NDArray[np.object_], least_units: float = LEAST_UNITS
) -> AucTest:
    """Test whether two scores (2, N) of the same cells have the same area, by sign flips over the `units` (N,).

    `positive` (N,) needs a positive and a negative cell. There is no p, but a reason, if the cells of a class are worth
    those of fewer than `least_units` units with equally many.
    """
    own, of_both = _placements(positive, np.array([_midranks(row) for row in scores]))
    areas = own[:, positive].mean(axis=1)
    share = np.where(positive, 1 / positive.sum(), 1 / (~positive).sum())
    codes = np.unique(units.astype(str), return_inverse=True)[1]
    one, other = float(areas[0]), float(areas[1])
    worth = min(_effective_number(codes[cells]) for cells in (positive, ~positive))
    if worth < least_units - 1e-9:
        reason = f"few subjects carry the comparison: worth {worth:.1f} equal ones of a class, {least_units:.0f} needed"
        return AucTest(one=one, other=other, reason=reason)
    differences = np.bincount(codes, (of_both[0] - of_both[1]) * share).astype(np.float64)
    p = sign_flip_p(differences)
    return AucTest(one=one, other=other, p=p, reason=NO_P if p is None else None)


def _effective_number(codes: Indices) -> float:
    """Kish's (1965) number of equal units that the units of these cells (N,) are worth."""
    sizes = np.bincount(codes).astype(np.float64)
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def _placements(positive: Mask, ranks: Floats) -> tuple[Floats, Floats]:
    """(2, N) twice: for each cell the share of pairs that it wins against the other class's own, and both, ranks."""
    own, both = np.zeros(ranks.shape), np.zeros(ranks.shape)
    for cells, sign in ((positive, 1), (~positive, -1)):
        against = [np.sort(sign * row[~cells]) for row in ranks]
        won = np.array([[_share_below(sign * row[cells], other) for other in against] for row in ranks])
        own[:, cells] = won[[0, 1], [0, 1]]
        both[:, cells] = won.mean(axis=1)
    return own, both


def _share_below(values: Floats, ordered: Floats) -> Floats:
    """The share (V,) of `ordered` below each of `values` (V,), ties counting half."""
    lower, upper = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return np.asarray((lower + upper) / (2 * len(ordered)))


def _midranks(row: Floats) -> Floats:
    """Ranks from 1; equal scores share their mean rank."""
    _, index, counts = np.unique(row, return_inverse=True, return_counts=True)
    middle: Floats = (np.cumsum(counts) - (counts - 1) / 2)[index]
    return middle
