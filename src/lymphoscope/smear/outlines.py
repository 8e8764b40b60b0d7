"""Closer outlines of found cells, for models that take cells without their surroundings.

The detectors outline every cell by a watershed, which is quick. On 80 cells with drawn outlines and boxes shifted
by 5 %, its Dice was 0.88, and that of the segmentation of single cells 0.93.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lymphoscope.smear.detection import Detections
from lymphoscope.smear.detection.cell_masks import outline_of
from lymphoscope.smear.readers import Pixels
from lymphoscope.smear.segmentation import segment_cell

_REACH = 0.85
"""Half of the side of the part that is looked at, in sides of the cell's box."""
_NEAR = 0.1
"""How far boxes are from each other at least, in sides of both, if their cells do not touch."""
_BEYOND = 0.62
"""Half of the sides of the ellipse beyond which nothing belongs to a cell, in sides of its box."""
_PLAUSIBLE = (0.5, 1.4)
"""Range of the area of a cell, in areas of the ellipse that fills its box; else its outline stays as it was."""
_MIN_SIDE = 12
"""Pixels of the smallest part that is looked at: smaller ones show no border."""


def closer_outlines(image: Pixels, found: Detections) -> Detections:
    """Return the cells of an image (H, W, 3) with outlines from the segmentation of single cells, where plausible.

    Cells whose boxes nearly meet keep their outlines: only the watershed knows the line between them.
    """
    outlines = tuple(
        _closer(image, box, outline) if is_alone else outline
        for box, outline, is_alone in zip(found.boxes, found.outlines, _alone(found.boxes), strict=True)
    )
    return replace(found, outlines=outlines)


def _alone(boxes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether no other box comes near each box (N, 4) of x, y, width, height."""
    starts, ends = boxes[:, :2] - _NEAR * boxes[:, 2:], boxes[:, :2] + (1 + _NEAR) * boxes[:, 2:]
    alone = np.ones(len(boxes), np.bool_)
    for index in range(len(boxes)):
        meets = (starts < ends[index]).all(axis=1) & (ends > starts[index]).all(axis=1)
        alone[index] = meets.sum() == 1
    return alone


def _closer(image: Pixels, box: NDArray[np.float32], outline: NDArray[np.float32]) -> NDArray[np.float32]:
    x, y, width, height = box.tolist()
    centre_x, centre_y, reach = x + width / 2, y + height / 2, _REACH * max(width, height)
    left, top = max(int(centre_x - reach), 0), max(int(centre_y - reach), 0)
    part = image[top : int(centre_y + reach) + 1, left : int(centre_x + reach) + 1]
    if min(part.shape[:2]) < _MIN_SIDE:
        return outline
    rows, columns = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
    within = np.hypot((columns + 0.5 - centre_x) / width, (rows + 0.5 - centre_y) / height) < _BEYOND
    mask = segment_cell(part).cell & within
    share = mask.sum() / (np.pi / 4 * width * height)
    if not (_PLAUSIBLE[0] <= share <= _PLAUSIBLE[1] and mask[int(centre_y) - top, int(centre_x) - left]):
        return outline
    closer = outline_of(mask, top, left)
    return closer if len(closer) >= 4 else outline
