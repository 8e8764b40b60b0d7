"""Cells on the seams of tiles, counted once.

Two tiles may place one cell a pixel apart, on both sides of their seam: it would be counted twice or not at all. So
each tile keeps the cells whose centre is in its core widened by SLACK, and of cells of two tiles that are the same one
is kept: the one that lies deepest in its own core.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from lymphoscope.smear.tiles import Region

SLACK_MICRONS = 3.0
"""Micrometres by which the cores are widened for cells on a seam."""
_SAME_MICRONS = 3.0
"""Two cells of different tiles whose centres are not farther apart are one: white cells are 7 micrometres wide."""
_SAME_OVERLAP = 0.5
_REACH_MICRONS = 12.0


@dataclass(frozen=True)
class Candidates:
    """Cells of one field, of all its tiles: `boxes` (N, 4) x, y, width, height in pixels, `tiles` (N,), `depth` (N,).

    `depth` is the distance in pixels of a centre from the edge of its tile's core, negative outside.
    """

    boxes: NDArray[np.float64]
    tiles: NDArray[np.int64]
    depth: NDArray[np.float64]


def depth_in(core: Region, x: float, y: float, width: int, height: int) -> float:
    """Distance of a point from the nearest seam of its core, pixels; edges of the field (width x height) are none."""
    distances = [
        x - core.x if core.x > 0 else np.inf,
        core.x + core.width - x if core.x + core.width < width else np.inf,
        y - core.y if core.y > 0 else np.inf,
        core.y + core.height - y if core.y + core.height < height else np.inf,
    ]
    return float(min(distances))


def kept_once(candidates: Candidates, microns_per_pixel: float) -> NDArray[np.bool_]:
    """Return which of N candidates are kept (N,), so that each cell is there once; independent of their order."""
    boxes = candidates.boxes
    kept = np.ones(len(boxes), dtype=bool)
    if len(boxes) < 2:
        return kept
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    pairs = cKDTree(centres).query_pairs(_REACH_MICRONS / microns_per_pixel, output_type="ndarray")
    pairs = pairs[candidates.tiles[pairs[:, 0]] != candidates.tiles[pairs[:, 1]]]
    apart = np.linalg.norm(centres[pairs[:, 0]] - centres[pairs[:, 1]], axis=1) * microns_per_pixel
    same = (apart <= _SAME_MICRONS) | (_overlap(boxes[pairs[:, 0]], boxes[pairs[:, 1]]) >= _SAME_OVERLAP)
    rivals: dict[int, list[int]] = {}
    for one, other in pairs[same].tolist():
        rivals.setdefault(one, []).append(other)
        rivals.setdefault(other, []).append(one)
    for index in sorted(rivals, key=lambda i: (-candidates.depth[i], candidates.tiles[i], *boxes[i])):
        if kept[index]:
            kept[rivals[index]] = False
    return kept


def _overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of pairs of boxes (N, 4)."""
    low = np.maximum(one[:, :2], other[:, :2])
    high = np.minimum(one[:, :2] + one[:, 2:], other[:, :2] + other[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    union = np.prod(one[:, 2:], axis=1) + np.prod(other[:, 2:], axis=1) - shared
    ratio: NDArray[np.float64] = shared / np.maximum(union, 1e-9)
    return ratio
