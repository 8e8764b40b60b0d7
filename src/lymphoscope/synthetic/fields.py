"""Other cells of a smear (red cells, platelets, neutrophils), and a canvas of optical density to place cells on."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lymphoscope.synthetic.cells import MASK_COVER, DrawnCell, Mask, draw_outline, inside, polar, smooth_noise
from lymphoscope.synthetic.subjects import Density, Subject, optical_density

NEUTROPHIL_DIAMETER = 12.5
"""Micrometres."""


def draw_red_cell(subject: Subject, pixels_per_um: float, rng: np.random.Generator) -> DrawnCell:
    """Draw a red cell: a slightly irregular disc with a pale centre."""
    radius = subject.red_radius * pixels_per_um * math.exp(rng.normal(0, 0.06))
    side = 2 * math.ceil(1.25 * radius)
    around = polar(side)
    edge = around.radius(radius * draw_outline(0.05, 0.002, rng))
    cover = inside(edge, around.distance, 0.10 * pixels_per_um)
    part = around.distance / edge
    pale = 1 - np.clip(subject.pallor + rng.normal(0, 0.12), 0, 1) * np.exp(-((part / 0.42) ** 4))
    eosin = 0.46 * cover * pale * (0.92 + 0.12 * np.exp(-(((part - 0.85) / 0.12) ** 2)))
    nothing = np.zeros_like(eosin)
    density = optical_density([nothing, 0.10 * eosin, eosin.astype(np.float32)], subject)
    return DrawnCell(density, cover, cover > MASK_COVER, np.zeros(cover.shape, dtype=bool))


def draw_platelet(subject: Subject, pixels_per_um: float, rng: np.random.Generator) -> DrawnCell:
    """Draw a platelet: small, ragged, with purple granules."""
    radius = pixels_per_um * rng.uniform(0.8, 1.5)
    side = 2 * math.ceil(1.6 * radius)
    around = polar(side)
    edge = around.radius(radius * draw_outline(0.12, 0.02, rng))
    cover = inside(edge, around.distance, 0.12 * pixels_per_um)
    granules = np.clip(0.55 + 0.35 * smooth_noise(side, 0.5 * pixels_per_um, rng), 0.1, 1.4)
    granules *= np.exp(-((around.distance / (0.9 * radius)) ** 2))
    density = optical_density([cover * granules, 0.25 * cover, 0.05 * cover], subject)
    return DrawnCell(density, cover, cover > MASK_COVER, np.zeros(cover.shape, dtype=bool))


def draw_neutrophil(subject: Subject, pixels_per_um: float, rng: np.random.Generator) -> DrawnCell:
    """Draw a segmented neutrophil: lobes of dense chromatin on an arc in pink, finely granular cytoplasm."""
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
    density = optical_density([azure, 0.12 * nucleus, rest * 0.12], subject)
    return DrawnCell(density, cover, cover > MASK_COVER, nucleus > 0.5)


def _lobes(side: int, radius: float, soft: float, rng: np.random.Generator) -> np.ndarray:
    """Two to five lobes on an arc around the centre and the thin threads between them, 0 to 1."""
    count = int(rng.integers(2, 6))
    turns = rng.uniform(0, 2 * math.pi) + np.arange(count) * rng.uniform(0.95, 1.25)
    nucleus = np.zeros((side, side), dtype=np.float32)
    for turn in turns:
        y, x = 0.5 * radius * math.sin(turn), 0.5 * radius * math.cos(turn)
        lobe = polar(side, y + rng.normal(0, 0.04 * radius), x + rng.normal(0, 0.04 * radius))
        size = radius * rng.uniform(0.26, 0.36) * draw_outline(0.12, 0.01, rng)
        nucleus = np.maximum(nucleus, inside(lobe.radius(size), lobe.distance, soft))
    for turn in (turns[:-1] + turns[1:]) / 2:
        thread = polar(side, 0.48 * radius * math.sin(turn), 0.48 * radius * math.cos(turn))
        nucleus = np.maximum(nucleus, inside(0.13 * radius, thread.distance, soft))
    return nucleus


CROWDING = 1.1
"""Red cells drawn per square of a red cell's diameter; those that overlap too much are left out."""
PLATELETS_PER_RED_CELL = 0.04


@dataclass(frozen=True)
class CanvasObject:
    """One object on a canvas: its class as in `boxes.csv`, its box, and within the box its mask and its nucleus.

    The box is xmin, ymin, xmax, ymax in pixels of the canvas, half open, the smallest that contains the mask.
    """

    class_name: str
    box: tuple[int, int, int, int]
    mask: Mask
    nucleus: Mask

    def paint(self, image: NDArray[Any], mask: Mask, value: int) -> None:
        """Write `value` into an image (H, W) of the canvas's size where a mask of this object is."""
        left, top, right, bottom = self.box
        image[top:bottom, left:right][mask] = value


@dataclass
class Canvas:
    """Optical density (H, W, 3) and the objects placed on it."""

    density: Density
    pixels_per_um: float
    objects: list[CanvasObject] = field(default_factory=list)

    @classmethod
    def empty(cls, height: int, width: int, pixels_per_um: float) -> "Canvas":
        """Make a canvas of clear glass."""
        return cls(np.zeros((height, width, 3), dtype=np.float32), pixels_per_um)

    def place(self, cell: DrawnCell, centre: tuple[float, float], class_name: str, *, over: bool) -> None:
        """Place a cell with its centre at (y, x): `over` what is there, or adding to it. It may lie partly outside."""
        height, width = self.density.shape[:2]
        top, left = (round(at - len(cell.cover) / 2) for at in centre)
        rows, columns = _visible_range(top, len(cell.cover), height), _visible_range(left, len(cell.cover), width)
        inner = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
        background = self.density[rows, columns]
        if over:
            background *= 1 - cell.cover[inner][:, :, None]
        background += cell.density[inner]
        visible = cell.cell[inner]
        if visible.any():
            left, top, right, bottom = _box_of(visible)
            part = slice(top, bottom), slice(left, right)
            x, y = columns.start, rows.start
            box = (left + x, top + y, right + x, bottom + y)
            self.objects.append(CanvasObject(class_name, box, visible[part], cell.nucleus[inner][part]))


def _visible_range(start: int, length: int, limit: int) -> slice:
    first = min(max(start, 0), limit)
    return slice(first, max(min(start + length, limit), first))


def _box_of(mask: Mask) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def add_other_cells(
    canvas: Canvas, subject: Subject, white_cells: list[tuple[float, float, float]], rng: np.random.Generator
) -> None:
    """Place red cells and platelets around `white_cells`, each (y, x, radius) in pixels."""
    height, width = canvas.density.shape[:2]
    radius = subject.red_radius * canvas.pixels_per_um
    canvas.density += _uneven_light(height, width, rng)[:, :, None]
    count = math.ceil(CROWDING * (height + 2 * radius) * (width + 2 * radius) / (2 * radius) ** 2)
    for centre in _free_centres(count, (height, width), radius, white_cells, rng):
        canvas.place(draw_red_cell(subject, canvas.pixels_per_um, rng), centre, "RBC", over=False)
    platelets = rng.poisson(PLATELETS_PER_RED_CELL * count)
    for centre in _free_centres(platelets, (height, width), 1.3 * canvas.pixels_per_um, white_cells, rng):
        canvas.place(draw_platelet(subject, canvas.pixels_per_um, rng), centre, "Platelets", over=False)


def _uneven_light(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float32]:
    side = max(height, width)
    cloud = smooth_noise(side, side / 2, rng)[:height, :width]
    shade: NDArray[np.float32] = np.clip(0.02 + 0.012 * cloud, 0, None).astype(np.float32)
    return shade


def _free_centres(
    count: int,
    size: tuple[int, int],
    radius: float,
    white_cells: list[tuple[float, float, float]],
    rng: np.random.Generator,
) -> list[tuple[float, float]]:
    """Centres (y, x), some beyond the border, clear of the white cells; now and then two touch or overlap."""
    occupied: list[tuple[float, float]] = []
    for _ in range(count):
        y, x = rng.uniform(-radius, size[0] + radius), rng.uniform(-radius, size[1] + radius)
        min_distance = (1.25 if rng.random() < 0.12 else 1.95) * radius
        is_clear = all(math.hypot(y - cy, x - cx) > far + 0.9 * radius for cy, cx, far in white_cells)
        if is_clear and all(math.hypot(y - cy, x - cx) > min_distance for cy, cx in occupied):
            occupied.append((y, x))
    return occupied
