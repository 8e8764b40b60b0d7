"""Whether the colour in a box is that of a nucleus, in relation to the red cells of the field."""

import numpy as np
from numpy.typing import NDArray

from lymphoscope.smear.detection.cell_masks import Boxes
from lymphoscope.smear.detection.working_scale import WorkingField

_RED_CELLS = 0.35
"""The index of red cells is taken to be at most this fraction of the highest, for fields full of blasts."""
_NO_NUCLEUS, _NUCLEUS = 0.25, 0.65
"""Where the index of a box's core lies between that of red cells (0) and the highest (1): no nucleus, surely one."""


def colour_support(field: WorkingField, boxes: Boxes) -> NDArray[np.float32]:
    """Return how well the colour in each box fits a nucleus, 0 to 1, in relation to red cells and the bluest nuclei.

    The network knows shapes better than stains: in a stain that it never saw, clumps of red cells may look like nuclei.
    """
    dark = (field.even.transmission[:, :, 1] < 0.9) & field.even.lit
    high = max(float(np.percentile(field.index, 99.8)), 0.02)
    low = min(float(np.percentile(field.index[dark], 25)) if dark.any() else 0.0, _RED_CELLS * high)
    support = np.zeros(len(boxes), np.float32)
    for place, (x0, y0, x1, y1) in enumerate(boxes):
        x, y, wide, tall = (x0 + x1) / 2, (y0 + y1) / 2, 0.3 * (x1 - x0), 0.3 * (y1 - y0)
        rows, columns = slice(max(int(y - tall), 0), int(y + tall) + 1), slice(max(int(x - wide), 0), int(x + wide) + 1)
        core = field.index[rows, columns]
        share = (float(np.percentile(core, 75)) - low) / (high - low) if core.size else 0.0
        support[place] = np.clip((share - _NO_NUCLEUS) / (_NUCLEUS - _NO_NUCLEUS), 0, 1)
    return support
