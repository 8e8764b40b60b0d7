"""How far a cell lies from the cells that a model knows, in the space of its pooled features; arrays alone, no network.

The distance is Mahalanobis' along the principal axes of the training cells, each variance raised a little (shrinkage),
so that an axis on which they hardly differ cannot outvote the others. Measured on a model of C-NMC cells: 8, 16, 32 and
64 axes, shrinkage 0 to 0.1 and the distance to the 10th nearest neighbour all set each of 112 cells of the Barcelona
set apart from C-NMC's; this one keeps no training cell.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation.metrics import Floats

AXES = 32
SHRINKAGE = 0.01
_SMALLEST = 1e-12


def feature_space(features: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Training features (N, C) -> their centre (C,), and axes (C, P) that bring each direction to about unit variance.

    P is at most AXES and at most N - 1. Raises LymphoscopeError for fewer than two cells.
    """
    cells = np.asarray(features, dtype=np.float64)
    if len(cells) < 2:
        raise LymphoscopeError(f"familiarity: {len(cells)} training cells span no space, at least two are needed")
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
        raise LymphoscopeError("familiarity: no cells to take a limit from")
    return float(ordered[min(len(ordered), math.ceil((len(ordered) + 1) * share)) - 1])
