"""Whether the colour and the darkness in a box are those of a nucleus, in relation to the red cells of the field."""

import numpy as np
from numpy.typing import NDArray

from lymphoscope.smear.detection.cell_masks import Boxes
from lymphoscope.smear.detection.working_scale import WorkingField

_RED_CELLS = 0.35
"""The index of red cells is taken to be at most this fraction of the highest, for fields full of blasts."""
_NO_NUCLEUS, _NUCLEUS = 0.25, 0.65
"""Where the index of a box's core lies between that of red cells (0) and the highest (1): no nucleus, surely one."""

_DARK, _MIN_DARK, _EVERY = 0.9, 700, 7
"""Green light below which something is there; pixels of it that are needed to compare, and the share that is used."""
_AS_DARK, _DARKER = 0.3, 1.2
"""How much denser than the field's median, in units of its spread, the core of a red cell and of a nucleus is."""
_SPREAD = (25, 50, 90)
"""Percentiles of the field's density between the first and the last of which it spreads; the middle one is compared."""
_NO_DARKER = 0.4
"""What remains of the score of a box that is as dark as the field: where blasts are the most, they are the field."""
_NARROWEST = 0.03
"""Optical density that the spread counts at least."""


def colour_support(field: WorkingField, boxes: Boxes) -> NDArray[np.float32]:
    """Return how well the colour in each box fits a nucleus, 0 to 1, in relation to red cells and the bluest nuclei.

    The network knows shapes better than stains: in a stain that it never saw, clumps of red cells may look like nuclei.
    """
    dark = (field.even.transmission[:, :, 1] < _DARK) & field.even.lit
    high = max(float(np.percentile(field.index, 99.8)), 0.02)
    low = min(float(np.percentile(field.index[dark], 25)) if dark.any() else 0.0, _RED_CELLS * high)
    support = np.zeros(len(boxes), np.float32)
    for place, box in enumerate(boxes):
        core = field.index[core_of(box)]
        share = (float(np.percentile(core, 75)) - low) / (high - low) if core.size else 0.0
        support[place] = np.clip((share - _NO_NUCLEUS) / (_NUCLEUS - _NO_NUCLEUS), 0, 1)
    return support


def darkness_support(field: WorkingField, boxes: Boxes) -> NDArray[np.float32]:
    """Return how much darker than most of the field the core of each box is in red or green light, 0.4 to 1.

    Red cells that are as blue as nuclei, in a stain that the network never saw, are still as dark as each other.
    """
    support = np.ones(len(boxes), np.float32)
    light = field.even.transmission[:, :, :2]
    there = light[(light[:, :, 1] < _DARK) & field.even.lit]
    if len(there) < _MIN_DARK:
        return support
    low, middle, high = np.percentile(_density(there[::_EVERY]), _SPREAD, axis=0)
    spread = np.maximum(high - low, _NARROWEST)
    for place, box in enumerate(boxes):
        core = _density(light[core_of(box)].reshape(-1, 2))
        darker = float(((np.percentile(core, 75, axis=0) - middle) / spread).max()) if len(core) else 0.0
        share = np.clip((darker - _AS_DARK) / (_DARKER - _AS_DARK), 0, 1)
        support[place] = _NO_DARKER + (1 - _NO_DARKER) * share
    return support


def _density(light: NDArray[np.float32]) -> NDArray[np.float32]:
    density: NDArray[np.float32] = -np.log(np.clip(light, 0.02, 1.02))
    return density


def core_of(box: NDArray[np.float32]) -> tuple[slice, slice]:
    """Return the rows and columns of the middle 60 % of a box."""
    x0, y0, x1, y1 = box
    x, y, wide, tall = (x0 + x1) / 2, (y0 + y1) / 2, 0.3 * (x1 - x0), 0.3 * (y1 - y0)
    return slice(max(int(y - tall), 0), int(y + tall) + 1), slice(max(int(x - wide), 0), int(x + wide) + 1)
