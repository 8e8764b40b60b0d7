"""What else lies in a synthetic smear: red cells, platelets, neutrophils.

A canvas of optical density on which synthetic cells are laid, and what lies where.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lymphoscope.synthetic.cells import SHARP, DrawnCell, Mask
from lymphoscope.synthetic.shapes import draw_outline, inside, polar, smooth_noise
from lymphoscope.synthetic.stains import Density, Subject, stained

NEUTROPHIL_DIAMETER = 12.5
"""Micrometres."""


def draw_red_cell(subject: Subject, pixels_per_um: float, rng: np.random.Generator) -> DrawnCell:
    """A red cell: a disc with a pale centre, pressed a little out of round."""
    radius = subject.red_radius * pixels_per_um * math.exp(rng.normal(0, 0.06))
    side = 2 * math.ceil(1.25 * radius)
    around = polar(side)
    edge = around.radius(radius * draw_outline(0.05, 0.002, rng))
    cover = inside(edge, around.distance, 0.10 * pixels_per_um)
    part = around.distance / edge
    pale = 1 - np.clip(subject.pallor + rng.normal(0, 0.12), 0, 1) * np.exp(-((part / 0.42) ** 4))
    eosin = 0.46 * cover * pale * (0.92 + 0.12 * np.exp(-(((part - 0.85) / 0.12) ** 2)))
    nothing = np.zeros_like(eosin)
    density = stained([nothing, 0.10 * eosin, eosin.astype(np.float32)], subject)
    return DrawnCell(density, cover, cover > SHARP, np.zeros(cover.shape, dtype=bool))


def draw_platelet(subject: Subject, pixels_per_um: float, rng: np.random.Generator) -> DrawnCell:
    """A platelet: small, ragged, with purple granules."""
    radius = pixels_per_um * rng.uniform(0.8, 1.5)
    side = 2 * math.ceil(1.6 * radius)
    around = polar(side)
    edge = around.radius(radius * draw_outline(0.12, 0.02, rng))
    cover = inside(edge, around.distance, 0.12 * pixels_per_um)
    granules = np.clip(0.55 + 0.35 * smooth_noise(side, 0.5 * pixels_per_um, rng), 0.1, 1.4)
    granules *= np.exp(-((around.distance / (0.9 * radius)) ** 2))
    density = stained([cover * granules, 0.25 * cover, 0.05 * cover], subject)
    return DrawnCell(density, cover, cover > SHARP, np.zeros(cover.shape, dtype=bool))


def draw_neutrophil(subject: Subject, pixels_per_um: float, rng: np.random.Generator) -> DrawnCell:
    """A segmented neutrophil: lobes of dense chromatin on an arc in pink, finely granular cytoplasm."""
    radius = NEUTROPHIL_DIAMETER / 2 * pixels_per_um * math.exp(rng.normal(0, 0.05))
    side = 2 * math.ceil(1.25 * radius)
    soft = max(0.08 * pixels_per_um, 0.6)
    around = polar(side)
    edge = around.radius(radius * draw_outline(0.03, 0.003, rng))
    cover = inside(edge, around.distance, soft)
    nucleus = np.minimum(_lobes(side, radius, soft, rng), inside(edge - soft, around.distance, soft))
    clumps = np.tanh(smooth_noise(side, 0.9 * pixels_per_um, rng))
    fine = smooth_noise(side, 0.35 * pixels_per_um, rng)
    rest = cover - nucleus
    azure = nucleus * 1.5 * (1 + 0.18 * clumps) + rest * np.clip(0.16 + 0.10 * fine, 0, 1)
    density = stained([azure, 0.12 * nucleus, rest * 0.12], subject)
    return DrawnCell(density, cover, cover > SHARP, nucleus > 0.5)


def _lobes(side: int, radius: float, soft: float, rng: np.random.Generator) -> np.ndarray:
    """Two to five lobes on an arc about the middle and the thin threads between them, 0 to 1."""
    count = int(rng.integers(2, 6))
    turns = rng.uniform(0, 2 * math.pi) + np.arange(count) * rng.uniform(0.95, 1.25)
    nucleus = np.zeros((side, side), dtype=np.float32)
    places = [(0.5 * radius * math.sin(turn), 0.5 * radius * math.cos(turn)) for turn in turns]
    for y, x in places:
        lobe = polar(side, y + rng.normal(0, 0.04 * radius), x + rng.normal(0, 0.04 * radius))
        size = radius * rng.uniform(0.26, 0.36) * draw_outline(0.12, 0.01, rng)
        nucleus = np.maximum(nucleus, inside(lobe.radius(size), lobe.distance, soft))
    for turn in (turns[:-1] + turns[1:]) / 2:
        thread = polar(side, 0.48 * radius * math.sin(turn), 0.48 * radius * math.cos(turn))
        nucleus = np.maximum(nucleus, inside(0.13 * radius, thread.distance, soft))
    return nucleus


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
