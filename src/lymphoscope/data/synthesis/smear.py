"""A canvas of optical density on which synthetic cells are laid, and what lies where."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lymphoscope.data.synthesis.bystanders import draw_platelet, draw_red_cell
from lymphoscope.data.synthesis.cells import DrawnCell, Mask
from lymphoscope.data.synthesis.shapes import smooth_noise
from lymphoscope.data.synthesis.stains import Density, Subject

CROWDING = 1.1
"""Red cells drawn for each square of a red cell's diameter; crowded ones are left out."""
PLATELETS_PER_RED_CELL = 0.04


@dataclass(frozen=True)
class Laid:
    """One thing on a canvas: class as in `boxes.csv`, its box, and within the box its mask and its nucleus.

    The box is xmin, ymin, xmax, ymax in pixels of the canvas, half open, the smallest that holds the mask.
    """

    kind: str
    box: tuple[int, int, int, int]
    mask: Mask
    nucleus: Mask

    def paint(self, picture: NDArray[Any], mask: Mask, value: int) -> None:
        """Write `value` into a picture (H, W) of the canvas's size where `mask` or `nucleus` is."""
        left, top, right, bottom = self.box
        picture[top:bottom, left:right][mask] = value


@dataclass
class Canvas:
    """Optical density (H, W, 3) with the things laid on it so far."""

    density: Density
    pixels_per_um: float
    laid: list[Laid] = field(default_factory=list)

    @classmethod
    def empty(cls, height: int, width: int, pixels_per_um: float) -> "Canvas":
        """A canvas of clear glass."""
        return cls(np.zeros((height, width, 3), dtype=np.float32), pixels_per_um)

    def lay(self, cell: DrawnCell, middle: tuple[float, float], kind: str, *, over: bool) -> None:
        """Lay a cell with its middle at (y, x): `over` what is there, or adding to it. Outside, nothing is laid."""
        height, width = self.density.shape[:2]
        top, left = (round(at - len(cell.cover) / 2) for at in middle)
        rows, columns = _common(top, len(cell.cover), height), _common(left, len(cell.cover), width)
        inner = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
        ground = self.density[rows, columns]
        if over:
            ground *= 1 - cell.cover[inner][:, :, None]
        ground += cell.density[inner]
        seen = cell.cell[inner]
        if seen.any():
            left, top, right, bottom = _box_of(seen)
            part = slice(top, bottom), slice(left, right)
            at, along = columns.start, rows.start
            box = (left + at, top + along, right + at, bottom + along)
            self.laid.append(Laid(kind, box, seen[part], cell.nucleus[inner][part]))


def _common(start: int, length: int, limit: int) -> slice:
    first = min(max(start, 0), limit)
    return slice(first, max(min(start + length, limit), first))


def _box_of(mask: Mask) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def lay_smear(
    canvas: Canvas, subject: Subject, taken: list[tuple[float, float, float]], rng: np.random.Generator
) -> None:
    """Lay red cells and platelets around what is `taken`: (y, x, radius) in pixels of each white cell."""
    height, width = canvas.density.shape[:2]
    radius = subject.red_radius * canvas.pixels_per_um
    canvas.density += _uneven_light(height, width, rng)[:, :, None]
    count = math.ceil(CROWDING * (height + 2 * radius) * (width + 2 * radius) / (2 * radius) ** 2)
    for place in _places(count, (height, width), radius, taken, rng):
        canvas.lay(draw_red_cell(subject, canvas.pixels_per_um, rng), place, "RBC", over=False)
    platelets = rng.poisson(PLATELETS_PER_RED_CELL * count)
    for place in _places(platelets, (height, width), 1.3 * canvas.pixels_per_um, taken, rng):
        canvas.lay(draw_platelet(subject, canvas.pixels_per_um, rng), place, "Platelets", over=False)


def _uneven_light(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float32]:
    side = max(height, width)
    cloud = smooth_noise(side, side / 2, rng)[:height, :width]
    shade: NDArray[np.float32] = np.clip(0.02 + 0.012 * cloud, 0, None).astype(np.float32)
    return shade


def _places(
    count: int,
    size: tuple[int, int],
    radius: float,
    taken: list[tuple[float, float, float]],
    rng: np.random.Generator,
) -> list[tuple[float, float]]:
    """Middles (y, x), some beyond the border, clear of what is taken; now and then two touch or overlap."""
    occupied = [*taken]
    places = []
    for _ in range(count):
        y, x = rng.uniform(-radius, size[0] + radius), rng.uniform(-radius, size[1] + radius)
        closeness = 1.25 if rng.random() < 0.12 else 1.95
        spaced = (math.hypot(y - at, x - along) > far + 0.9 * radius for at, along, far in taken)
        apart = (math.hypot(y - at, x - along) > closeness * radius for at, along, _ in occupied[len(taken) :])
        if all(spaced) and all(apart):
            occupied.append((y, x, radius))
            places.append((y, x))
    return places
