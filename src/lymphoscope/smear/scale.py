"""Microns per pixel of a field, from the diameter of its red cells (about 7.5 microns).

Every boundary pixel of what is darker than the glass votes for the centre of a circle of each radius, on its dark side
(the symmetry transform of Loy and Zelinsky, 2003, doi 10.1109/TPAMI.2003.1217601, with all boundary pixels of equal
weight). Touching red cells and red cells with a pale centre vote as well as single ones. The radius under which the
circles explain most of the field is that of the red cells.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from lymphoscope.data.thresholds import otsu
from lymphoscope.smear.illumination import EvenField, even_illumination

RED_CELL_DIAMETER = 7.5
"""Microns, of a human red cell on a dried smear."""
LARGEST_SIDE = 640
"""Pixels of the side to which a larger field is reduced, or of the part of it that is measured."""
LARGEST_PART = 1280
"""Pixels of a huge field's centre that are measured."""
_RADII = np.geomspace(5, 10, 7)[:-1]
"""Pixels, in each octave: the field at full size, half, a quarter and an eighth of it."""
_OCTAVES = 4
_CLIP = 0.35
"""Optical density of green above which it does not matter how dark a pixel is: nuclei must not set the threshold."""
_MIN_COVERAGE = 0.3
"""Fraction of a circle's circumference that must vote for its centre; blurring costs a perfect circle about half."""
_MIN_CELLS = 3
_SAME_SIZE = 1.3
"""Factor around the commonest radius within which a circle is taken as a red cell."""


@dataclass(frozen=True)
class ScaleEstimate:
    """The scale of a field as its red cells tell it.

    `microns_per_pixel` is None where fewer than 3 red cells are round and visible; `red_cells` is the number that was
    measured, and `spread` the interquartile range of their diameters as a fraction of the median.
    """

    microns_per_pixel: float | None
    red_cells: int
    spread: float | None

    def disagrees(self, given: float, factor: float = 1.5) -> bool:
        """Return whether a scale in microns per pixel differs from the estimate by more than a factor."""
        if self.microns_per_pixel is None:
            return False
        return not 1 / factor <= given / self.microns_per_pixel <= factor

    def describe(self) -> str:
        """Return one sentence."""
        if self.microns_per_pixel is None:
            return "The scale cannot be estimated: fewer than 3 round red cells are visible. Give --mpp."
        return f"{self.microns_per_pixel:.3g} microns per pixel, from the diameter of {self.red_cells} red cells."


class _Circle(NamedTuple):
    coverage: float
    row: float
    column: float
    radius: float


def estimate_scale(image: NDArray[np.uint8]) -> ScaleEstimate:
    """Estimate the scale of a field (H, W, 3) uint8 RGB from its red cells, a human's unless it is corrected."""
    reduced, factor = _reduced(image)
    radii = red_cell_radii(even_illumination(reduced))
    if len(radii) < _MIN_CELLS:
        return ScaleEstimate(None, len(radii), None)
    first, median, third = np.percentile(2 * radii * factor, [25, 50, 75])
    return ScaleEstimate(float(RED_CELL_DIAMETER / median), len(radii), float((third - first) / median))


def red_cell_radii(field: EvenField) -> NDArray[np.float64]:
    """Return the radii (N,), in pixels of the field, of the round objects of the commonest size."""
    density, lit = np.minimum(-np.log(np.clip(field.transmission[:, :, 1], 0.05, 1)), _CLIP), field.lit
    found: list[_Circle] = []
    for octave in range(_OCTAVES):
        if min(density.shape) < 3 * _RADII[0]:
            break
        found += [
            _Circle(*(value * 2**octave if place else value for place, value in enumerate(circle)))
            for circle in _circles(*_boundary(density, lit), density.shape)
        ]
        density, lit = _halved(density), _halved(lit) > 0.99
    if not found:
        return np.zeros(0)
    radii = _refined(_apart(found), field.transmission[:, :, 1])
    if not len(radii):
        return radii
    sizes = np.geomspace(radii.min(), radii.max(), 60)
    commonest = sizes[int(np.argmax([np.sum(radii[np.abs(np.log(radii / size)) < 0.18] ** 2) for size in sizes]))]
    same: NDArray[np.float64] = radii[np.abs(np.log(radii / commonest)) < np.log(_SAME_SIZE)]
    return same


def _refined(circles: list[_Circle], green: NDArray[np.float32]) -> NDArray[np.float64]:
    """Radius of each circle: the median over directions of where it brightens most steeply to the outside."""
    turns = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    steps = np.linspace(0.6, 1.75, 24)
    found = np.array([circle[1:] for circle in circles])
    distances = found[:, 2, None, None] * steps  # (N, 1, 24)
    rows = found[:, 0, None, None] + distances * np.sin(turns)[:, None]  # (N, 32, 24)
    columns = found[:, 1, None, None] + distances * np.cos(turns)[:, None]
    along = ndimage.gaussian_filter1d(ndimage.map_coordinates(green, [rows, columns], order=1, mode="nearest"), 1.2)
    rise = np.diff(along, axis=2)
    edge = (steps[:-1] + steps[1:])[rise.argmax(axis=2)] / 2
    clear = rise.max(axis=2) > 0.01
    edge = np.where(clear, edge, np.nan)[clear.mean(axis=1) > 0.5]
    radii: NDArray[np.float64] = found[clear.mean(axis=1) > 0.5, 2] * np.nanmedian(edge, axis=1)
    return radii


def _halved(image: NDArray[Any]) -> NDArray[np.float32]:
    height, width = (side // 2 for side in image.shape)
    blocks = image[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
    halved: NDArray[np.float32] = blocks.mean(axis=(1, 3), dtype=np.float32)
    return halved


def _reduced(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """Return the field or the centre of a huge one, at most 640 pixels wide, and its pixels per pixel of that."""
    top, left = (max(side - LARGEST_PART, 0) // 2 for side in image.shape[:2])
    part = image[top : top + LARGEST_PART, left : left + LARGEST_PART]
    factor = max(max(part.shape[:2]) / LARGEST_SIDE, 1.0)
    height, width = (max(round(side / factor), 1) for side in part.shape[:2])
    if factor == 1:
        return part, 1.0
    return np.asarray(Image.fromarray(part).resize((width, height), Image.Resampling.BOX)), factor


def _boundary(
    density: NDArray[np.float32], lit: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Rows and columns of the boundary of what is darker than glass, and the unit vectors (N, 2) to its dark side."""
    smooth = ndimage.gaussian_filter(density, 0.8)
    grey = np.clip(smooth * (255 / _CLIP), 0, 255).astype(np.uint8)
    dark = (grey > otsu(grey[lit])) & ndimage.binary_erosion(lit, iterations=2)
    rows, columns = np.nonzero(dark & ~ndimage.binary_erosion(dark, border_value=1))
    slope = np.stack([ndimage.sobel(smooth, axis)[rows, columns] for axis in (0, 1)], axis=1).astype(np.float64)
    length = np.linalg.norm(slope, axis=1)
    clear = length > 0.02
    return rows[clear], columns[clear], slope[clear] / length[clear][:, None]


def _circles(
    rows: NDArray[np.intp], columns: NDArray[np.intp], toward: NDArray[np.float64], size: tuple[int, ...]
) -> list[_Circle]:
    """Circles that enough of their circumference votes for."""
    found = []
    pad = int(_RADII[-1]) + 2
    shape = (size[0] + 2 * pad, size[1] + 2 * pad)
    for radius in _RADII:
        at_row = np.rint(rows + radius * toward[:, 0]).astype(int) + pad
        at_column = np.rint(columns + radius * toward[:, 1]).astype(int) + pad
        votes = np.bincount(at_row * shape[1] + at_column, minlength=shape[0] * shape[1]).reshape(shape)
        blur = 0.6 + 0.1 * radius
        coverage = ndimage.gaussian_filter(votes.astype(np.float32), blur, truncate=2.5) * (blur**2 / radius)
        peaks = (coverage == ndimage.maximum_filter(coverage, int(radius) | 1)) & (coverage > _MIN_COVERAGE)
        found += [
            _Circle(float(coverage[y, x]), y - pad, x - pad, radius) for y, x in zip(*np.nonzero(peaks), strict=True)
        ]
    return found


def _apart(found: list[_Circle]) -> list[_Circle]:
    """The best circles, no two of which lie at one place."""
    chosen: list[_Circle] = []
    for circle in sorted(found, reverse=True):
        near = (
            (circle.row - o.row) ** 2 + (circle.column - o.column) ** 2 < max(circle.radius, o.radius) ** 2
            for o in chosen
        )
        if not any(near):
            chosen.append(circle)
    return chosen
