"""Closer outlines of found cells, for models that take cells without their surroundings.

The detectors outline every cell by a watershed, which is quick. On 80 cells with drawn outlines and boxes shifted
by 5 %, its Dice was 0.88, and that of the segmentation of single cells 0.93.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from lymphoscope.smear.detection import Detections
from lymphoscope.smear.detection.cell_masks import outline_of
from lymphoscope.smear.readers import Pixels
from lymphoscope.smear.segmentation import segment_cell

_REACH = 0.85
"""Half of the side of the part that is looked at, in sides of the cell's box."""
_PLAUSIBLE = (0.5, 1.4)
"""Range of the area of a cell, in areas of the ellipse that fills its box; else its outline stays as it was."""
_MIN_SIDE = 12
"""Pixels of the smallest part that is looked at: smaller ones show no border."""


def closer_outlines(image: Pixels, found: Detections) -> Detections:
    """Return the cells of an image (H, W, 3) with outlines from the segmentation of single cells, where plausible.

    What belongs to the outline of another cell is left to it.
    """
    outlines = tuple(
        _closer(image, found, index, outline.astype(np.float32)) for index, outline in enumerate(found.outlines)
    )
    return replace(found, outlines=outlines)


def _closer(image: Pixels, found: Detections, index: int, outline: NDArray[np.float32]) -> NDArray[np.float32]:
    x, y, width, height = found.boxes[index].tolist()
    reach = _REACH * max(width, height)
    left, top = max(int(x + width / 2 - reach), 0), max(int(y + height / 2 - reach), 0)
    part = image[top : int(y + height / 2 + reach) + 1, left : int(x + width / 2 + reach) + 1]
    if min(part.shape[:2]) < _MIN_SIDE:
        return outline
    mask = segment_cell(part).cell & ~_others(found, index, (left, top), part.shape[:2])
    share = mask.sum() / max(np.pi / 4 * width * height, 1)
    column, row = int(x + width / 2) - left, int(y + height / 2) - top
    if not (_PLAUSIBLE[0] <= share <= _PLAUSIBLE[1] and mask[row, column]):
        return outline
    closer = outline_of(mask, top, left)
    return closer if len(closer) >= 4 else outline


def _others(found: Detections, index: int, corner: tuple[int, int], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where the other cells are, in a part of the image at `corner` (x, y)."""
    picture = Image.new("L", (size[1], size[0]))
    draw = ImageDraw.Draw(picture)
    starts, ends = found.boxes[:, :2] - corner, found.boxes[:, :2] + found.boxes[:, 2:] - corner
    near = (ends > 0).all(axis=1) & (starts < (size[1], size[0])).all(axis=1)
    for other in np.flatnonzero(near):
        if other != index and len(found.outlines[other]) >= 3:
            draw.polygon([tuple(point) for point in (found.outlines[other] - corner).tolist()], fill=1)
    return np.asarray(picture) > 0
