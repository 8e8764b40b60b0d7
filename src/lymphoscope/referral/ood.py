"""How far a cell lies from the cells that a model knows, in the space of its pooled features; arrays alone, no network.

The distance is Mahalanobis' along the principal axes of the training cells, each variance raised a little (shrinkage),
so that an axis on which they hardly differ cannot outvote the others. Estimate on a model of C-NMC cells: 8, 16, 32 and
64 axes, shrinkage 0 to 0.1 and the distance to the 10th nearest neighbour all set each of 112 cells of the Barcelona
set apart from C-NMC's; this one keeps no training cell.

How unlike the cells that a model knows a cell is, in a number a signal: 1 is the limit, above it a person looks.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lymphoscope.data.quality import ImageStatistics
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation.metrics import Floats
from lymphoscope.model_file import Description
from lymphoscope.referral import SIGNALS, Colour, OodReference, Range

AXES = 32
SHRINKAGE = 0.01
_SMALLEST = 1e-12


def feature_space(features: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Training features (N, C) -> their centre (C,), and axes (C, P) that bring each direction to about unit variance.

    P is at most AXES and at most N - 1. Raises LymphoscopeError for fewer than two cells.
    """
    cells = np.asarray(features, dtype=np.float64)
    if len(cells) < 2:
        raise LymphoscopeError(f"ood_reference: {len(cells)} training cells span no space, at least two are needed")
    centre = cells.mean(axis=0)
    _, spread, axes = np.linalg.svd(cells - centre, full_matrices=False)
    count = min(AXES, len(cells) - 1, len(axes))
    variance = spread[:count] ** 2 / (len(cells) - 1)
    raised = np.sqrt(variance + SHRINKAGE * variance.mean() + _SMALLEST)
    return centre.astype(np.float32), (axes[:count].T / raised).astype(np.float32)


def feature_distance(features: ArrayLike, centre: NDArray[np.float32], axes: NDArray[np.float32]) -> Floats:
    """(B, C) -> (B,) the root mean square over the axes: about 1 for a training cell."""
    along = (np.asarray(features, dtype=np.float32) - centre) @ axes  # (B, P)
    return np.asarray(np.sqrt(np.square(along, dtype=np.float64).mean(axis=1)))


def kept_limit(values: ArrayLike, share: float) -> float:
    """The limit (0 or more) that a new value of the same law keeps with probability `share` or more; values (N,).

    It is the ceil((N + 1) share)-th lowest (split conformal prediction, Vovk et al. 2005), the highest where there are
    too few values to promise that. Raises LymphoscopeError without values.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if not len(ordered):
        raise LymphoscopeError("ood_reference: no cells to take a limit from")
    return float(ordered[min(len(ordered), math.ceil((len(ordered) + 1) * share)) - 1])


Values = NDArray[np.float64]

DOUBT = "ood_"


def ood_columns(description: Description) -> list[str]:
    """The columns that a model adds to the predictions; none where it does not know its cells."""
    return [] if description.ood_reference is None else [f"{DOUBT}{signal}" for signal in SIGNALS]


def ood_scores(
    description: Description, statistics: Sequence[ImageStatistics], features: NDArray[np.float32] | None
) -> dict[str, Values]:
    """Signal -> (B,) doubts of B cells with features (B, C); feature_distance is NaN where it cannot be known.

    To four decimals, as shown. Empty where the model does not know its cells.
    """
    known = description.ood_reference
    if known is None or not len(statistics):
        return {}
    sharpness, brightness, touching, *colour = np.array(statistics, dtype=np.float64).T
    found = {
        "feature_distance": _novelty(known, features, len(statistics)),
        "blur": below(known.sharpness, sharpness),
        "cut_off": touching / known.touching,
        "exposure": np.maximum(below(known.brightness, brightness), above(known.brightness, brightness)),
        "colour": colour_distance(known.colour, np.stack(colour, axis=1)) / known.colour.limit,
    }
    return {signal: np.round(values, 4) for signal, values in found.items()}


def overexposed(known: OodReference, statistics: Sequence[ImageStatistics]) -> NDArray[np.bool_]:
    """Which cells (B,) are brighter than the middle, so that their doubt of exposure is one of too much light."""
    return np.array([measured.brightness for measured in statistics]) > known.brightness.middle


def below(usual: Range, values: Values) -> Values:
    """How far values (B,) lie below the middle, the low limit being 1."""
    return (usual.middle - values) / (usual.middle - usual.low)


def above(usual: Range, values: Values) -> Values:
    """How far values (B,) lie above the middle, the high limit being 1."""
    return (values - usual.middle) / (usual.high - usual.middle)


def colour_distance(known: Colour, ratios: Values) -> Values:
    """Mahalanobis' distance (B,) of the log ratios (B, 2) from those of the training cells."""
    off = ratios - np.array(known.centre)
    return np.asarray(np.sqrt(np.einsum("bi,ij,bj->b", off, np.array(known.precision), off)))


def _novelty(known: OodReference, features: NDArray[np.float32] | None, cells: int) -> Values:
    if known.arrays is None or known.feature_distance is None or features is None:
        return np.full(cells, np.nan)
    return feature_distance(features, known.arrays.centre, known.arrays.axes) / known.feature_distance
