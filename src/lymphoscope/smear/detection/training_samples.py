"""Training samples for a trained detector: patches of fields at any scale, stain and focus, with cells pasted in.

Public fields show few cells that touch. Cells on black are therefore pasted so that they touch each other and the cells
that are there, in the colours of any stain.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from lymphoscope.smear.detection.assembly import compactness

Light = NDArray[np.float32]
"""(H, W, 3) of RGB, as a fraction of the light through glass."""

PATCH = 192
"""Pixels of the side of a training patch."""
SCALES = (0.6, 1.3)
"""Range of factors on the working scale: the network must know cells whose scale was estimated wrongly."""
_DIAMETER = 12.0
"""Microns of the diameter of a pasted cell, on average."""
_NEAR_A_CELL = 0.6
"""Share of the patches near a cell; the others are anywhere, mostly among red cells."""
_ROUND = 0.93
"""Area over that of the ellipse with the same moments, below which a cut-out may be two cells; two discs have 0.9."""
_MIN_VISIBLE = 0.35
"""Fraction of a box that must lie in the patch to be found; smaller rests are ignored in the loss."""


@dataclass(frozen=True)
class TrainingField:
    """A field at the working scale under even light, 0 to 255 for 0 to 1.02, with its boxes (N, 4) x0, y0, x1, y1."""

    light: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    microns_per_pixel: float

    @classmethod
    def of(cls, light: Light, boxes: NDArray[np.float32], microns_per_pixel: float) -> "TrainingField":
        """Store the light of a field in bytes."""
        return cls(np.clip(light * 250, 0, 255).astype(np.uint8), boxes.astype(np.float32), microns_per_pixel)


@dataclass(frozen=True)
class CutOut:
    """A cell on black to paste: RGB (h, w, 3) uint8, its cover (h, w) uint8 and its diameter in pixels."""

    pixels: NDArray[np.uint8]
    cover: NDArray[np.uint8]
    diameter: float

    @classmethod
    def of(cls, image: NDArray[np.uint8]) -> "CutOut | None":
        """Cut a cell (H, W, 3) uint8 out of its black surroundings; None if there is no round one."""
        mask = ndimage.binary_fill_holes(image.max(axis=2) > 12)
        labels, count = ndimage.label(mask)
        if count == 0:
            return None
        largest = 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
        window = ndimage.find_objects(labels)[largest - 1]
        inside = labels[window] == largest
        if compactness(inside) < _ROUND:
            return None
        diameter = 2 * float(np.sqrt(inside.sum() / np.pi))
        size = tuple(max(round(side * 64 / diameter), 1) for side in inside.shape[::-1])
        pixels = Image.fromarray(image[window]).resize(size, Image.Resampling.BOX)
        cover = Image.fromarray(inside.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)
        return cls(np.asarray(pixels), np.asarray(cover), 64.0)


def draw_sample(
    field: TrainingField,
    cut_outs: Sequence[CutOut],
    rng: np.random.Generator,
    scales: tuple[float, float] = SCALES,
) -> tuple[Light, NDArray[np.float32]]:
    """Return a patch (192, 192, 3) of light and the boxes (N, 4) in it, in pixels of the patch.

    The field is resized by a factor between `scales`, with a uniform logarithm. Pasted cells are resized with it.
    """
    factor = float(np.exp(rng.uniform(*np.log(scales))))
    light, boxes = _cut_patch(field, factor, rng)
    light = _change_stain(light, rng)
    if cut_outs and rng.random() < 0.6:
        light, boxes = paste_cells(light, boxes, cut_outs, field.microns_per_pixel / factor, rng)
    light, boxes = _turned(light, boxes, rng)
    if rng.random() < 0.4:
        light = ndimage.gaussian_filter(light, (*[rng.uniform(0.3, 1.6)] * 2, 0))
    noisy = light * rng.uniform(0.9, 1.06) + rng.normal(0, rng.uniform(0, 0.02), light.shape)
    return np.clip(noisy, 0, 1.02).astype(np.float32), boxes


def _cut_patch(field: TrainingField, factor: float, rng: np.random.Generator) -> tuple[Light, NDArray[np.float32]]:
    """Cut a patch out of a field resized by a factor, near a cell or anywhere; beyond the field is glass."""
    side = PATCH / factor
    height, width = field.light.shape[:2]
    if len(field.boxes) and rng.random() < _NEAR_A_CELL:
        x0, y0, x1, y1 = field.boxes[rng.integers(len(field.boxes))]
        left, top = (x0 + x1) / 2 - rng.uniform(0, side), (y0 + y1) / 2 - rng.uniform(0, side)
    else:
        left, top = (
            rng.uniform(min(0, width - side), max(0, width - side)),
            rng.uniform(min(0, height - side), max(0, height - side)),
        )
    left, top = _into(left, side, width), _into(top, side, height)
    glass = Image.new("RGB", (PATCH, PATCH), (250, 250, 250))
    x, y = max(left, 0), max(top, 0)
    right, bottom = min(left + side, width), min(top + side, height)
    size = max(round((right - x) * factor), 1), max(round((bottom - y) * factor), 1)
    part = Image.fromarray(field.light).resize(size, Image.Resampling.BILINEAR, box=(x, y, right, bottom))
    glass.paste(part, (round((x - left) * factor), round((y - top) * factor)))
    boxes = (field.boxes - [left, top, left, top]) * factor
    return (np.asarray(glass) / 250).astype(np.float32), visible_boxes(boxes.astype(np.float32))


def _into(start: float, side: float, length: int) -> float:
    low, high = min(0, length - side), max(0, length - side)
    return float(np.clip(start, low, high))


def visible_boxes(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Clip boxes to the patch and drop those of which too little is left."""
    clipped = np.clip(boxes, 0, PATCH)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1)
    left = (clipped[:, 2:] - clipped[:, :2]) / sides
    return clipped[left.prod(axis=1) > _MIN_VISIBLE].astype(np.float32)  # type: ignore[no-any-return]


def _change_stain(light: Light, rng: np.random.Generator) -> Light:
    """Mix the optical densities of the channels, as other dyes and cameras do.

    Every second time strongly: red cells are then as purple as those of a stain that no source has, and only the
    nuclei's larger density tells them.
    """
    if rng.random() < 0.15:
        return light
    mix = np.diag(np.exp(rng.normal(0, 0.3, 3))) * np.exp(rng.normal(0, 0.3))
    mix += rng.normal(0, 0.12, (3, 3)) * (1 - np.eye(3))
    if rng.random() < 0.5:
        mix += rng.uniform(0, 0.45, (3, 3)) * (1 - np.eye(3))
    density = -np.log(np.clip(light, 0.02, 1.02))
    return np.exp(-np.clip(density @ mix, -0.02, 4)).astype(np.float32)  # type: ignore[no-any-return]


def paste_cells(
    light: Light,
    boxes: NDArray[np.float32],
    cut_outs: Sequence[CutOut],
    microns_per_pixel: float,
    rng: np.random.Generator,
) -> tuple[Light, NDArray[np.float32]]:
    """Paste one to three clusters of up to four touching cells of one stain; returns the light and all boxes."""
    light = light.copy()
    discs = [((x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0 + y1 - y0) / 4) for x0, y0, x1, y1 in boxes]
    green = rng.uniform(0.35, 1.8)
    dye = np.array([green * rng.uniform(0.2, 0.8), green, green * rng.uniform(0.08, 0.45)])
    size = np.exp(rng.normal(0.05, 0.18))
    added = []
    for _ in range(rng.integers(1, 4)):
        near = discs[rng.integers(len(discs))] if discs and rng.random() < 0.4 else None
        for _ in range(rng.integers(1, 5)):
            radius = _DIAMETER * size * np.exp(rng.normal(0, 0.1)) / 2 / microns_per_pixel
            centre = _free_place(near, radius, discs, rng)
            if centre is None:
                continue
            box = _paste(light, cut_outs[int(rng.integers(len(cut_outs)))], (*centre, radius), dye, rng)
            near = (*centre, radius)
            discs.append(near)
            if box is not None:
                added.append(box)
    return light, np.concatenate([boxes, np.array(added, np.float32).reshape(-1, 4)])


def _free_place(
    near: tuple[float, float, float] | None,
    radius: float,
    discs: list[tuple[float, float, float]],
    rng: np.random.Generator,
) -> tuple[float, float] | None:
    """A centre that touches `near`, or anywhere, and hardly overlaps any cell."""
    for _ in range(10):
        if near is None:
            x, y = rng.uniform(-0.2 * radius, PATCH + 0.2 * radius, 2)
        else:
            turn = rng.uniform(0, 2 * np.pi)
            far = (radius + near[2]) * rng.uniform(0.84, 1.06)
            x, y = near[0] + far * np.cos(turn), near[1] + far * np.sin(turn)
        in_patch = -0.3 * radius < min(x, y) and max(x, y) < PATCH + 0.3 * radius
        if in_patch and all(np.hypot(x - cx, y - cy) > 0.82 * (radius + other) for cx, cy, other in discs):
            return float(x), float(y)
    return None


def _paste(
    light: Light, cut_out: CutOut, disc: tuple[float, float, float], dye: NDArray[np.float64], rng: np.random.Generator
) -> tuple[float, float, float, float] | None:
    x, y, radius = disc
    factor, turn = 2 * radius / cut_out.diameter, float(rng.uniform(0, 360))
    size = tuple(max(round(side * factor), 4) for side in cut_out.cover.shape[::-1])
    way = Image.Resampling.BILINEAR
    pixels = np.asarray(Image.fromarray(cut_out.pixels).resize(size, way).rotate(turn, way, expand=True))
    cover = np.asarray(Image.fromarray(cut_out.cover).resize(size, way).rotate(turn, way, expand=True)) / 255
    cover = ndimage.gaussian_filter(cover, 0.6)
    density = -np.log(np.clip(pixels, 6, 250) / 250)
    own = density[cover > 0.5].mean(axis=0) if (cover > 0.5).any() else np.ones(3)
    cell = np.exp(-density * (dye * np.exp(rng.normal(0, 0.08)) / np.maximum(own, 0.05)))
    height, width = cover.shape
    top, left = round(y - height / 2), round(x - width / 2)
    rows = slice(max(top, 0), min(top + height, PATCH))
    columns = slice(max(left, 0), min(left + width, PATCH))
    inner = np.s_[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    visible = cover[inner][:, :, None]
    if visible.sum() < _MIN_VISIBLE * cover.sum():
        return None
    light[rows, columns] = light[rows, columns] * (1 - visible) + cell[inner] * visible
    at_rows, at_columns = np.nonzero(visible[:, :, 0] > 0.5)
    return (
        float(columns.start + at_columns.min()),
        float(rows.start + at_rows.min()),
        float(columns.start + at_columns.max() + 1),
        float(rows.start + at_rows.max() + 1),
    )


def _turned(light: Light, boxes: NDArray[np.float32], rng: np.random.Generator) -> tuple[Light, NDArray[np.float32]]:
    x0, y0, x1, y1 = boxes.T
    if rng.random() < 0.5:
        light, x0, x1 = light[:, ::-1], PATCH - x1, PATCH - x0
    if rng.random() < 0.5:
        light, y0, y1 = light[::-1], PATCH - y1, PATCH - y0
    if rng.random() < 0.5:
        light, x0, y0, x1, y1 = light.transpose(1, 0, 2), y0, x0, y1, x1
    return light, np.stack([x0, y0, x1, y1], axis=1).astype(np.float32).reshape(-1, 4)
