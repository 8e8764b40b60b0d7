"""Large images in overlapping tiles, so that memory and cost per step are bounded."""

from collections.abc import Callable

import numpy as np

from lymphoscope.smear.detection.detector import Detections, Pixels

TILE = 600.0
"""Microns of the side of a tile; a smaller image is one tile."""
OVERLAP = 30.0
"""Microns that neighbouring tiles share: more than the largest cell."""


def detect_in_tiles(
    image: Pixels, microns_per_pixel: float, detect: Callable[[Pixels, float], Detections]
) -> Detections:
    """Detect in each tile, and keep a cell in the tile in whose own part its centre lies."""
    height, width = image.shape[:2]
    step = max(int((TILE - OVERLAP) / microns_per_pixel), 64)
    margin = int(np.ceil(OVERLAP / 2 / microns_per_pixel))
    if max(height, width) <= step + 2 * margin:
        return detect(image, microns_per_pixel)
    parts = [
        _detect_tile(image, (top, left), (step, margin), microns_per_pixel, detect)
        for top in range(0, height, step)
        for left in range(0, width, step)
    ]
    return Detections(
        np.concatenate([part.boxes for part in parts]),
        tuple(outline for part in parts for outline in part.outlines),
        np.concatenate([part.scores for part in parts]),
        tuple(marks for part in parts for marks in part.marks),
    )


def _detect_tile(
    image: Pixels,
    corner: tuple[int, int],
    sizes: tuple[int, int],
    microns_per_pixel: float,
    detect: Callable[[Pixels, float], Detections],
) -> Detections:
    (top, left), (step, margin) = corner, sizes
    height, width = image.shape[:2]
    y0, x0 = max(top - margin, 0), max(left - margin, 0)
    y1, x1 = min(top + step + margin, height), min(left + step + margin, width)
    found = detect(np.ascontiguousarray(image[y0:y1, x0:x1]), microns_per_pixel)
    offset = np.array([x0, y0], np.float32)
    boxes = found.boxes.copy()
    boxes[:, :2] += offset
    x, y = boxes[:, 0] + boxes[:, 2] / 2, boxes[:, 1] + boxes[:, 3] / 2
    own = np.flatnonzero((x >= left) & (x < left + step) & (y >= top) & (y < top + step))
    marks = tuple(
        marks - {"cut_by_edge"} if _is_inside(box, width, height, microns_per_pixel) else marks
        for box, marks in zip(boxes, found.marks, strict=True)
    )
    return Detections(boxes, tuple(outline + offset for outline in found.outlines), found.scores, marks).select(own)


def _is_inside(box: np.ndarray, width: int, height: int, microns_per_pixel: float) -> bool:
    edge = 0.3 / microns_per_pixel
    return bool(min(box[:2]) > edge and box[0] + box[2] < width - edge and box[1] + box[3] < height - edge)
