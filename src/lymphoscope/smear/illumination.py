"""Even light: a field divided by the colour of its bare glass, which a low-order surface follows across the field."""

import itertools
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Value = TypeVar("Value", np.uint8, np.float32)
_BLOCKS = 9
"""Blocks per side, in each of which the brightness of the glass is estimated."""
_BRIGHT = 92
"""Percentile of a block that is taken as its glass."""
_ROUNDS = 4
_DARK = 0.12
"""Fraction of the brightest glass up to which a pixel is outside the light (a round field of view, a black border)."""
_SHADED = 0.93
"""A block darker than this fraction of the surface has no bare glass and is left out."""


@dataclass(frozen=True)
class EvenField:
    """A field under even light.

    `transmission` (H, W, 3) float32 is 1 where the light passes freely and 0 where nothing passes; `lit` (H, W) is
    False outside a round field of view; `glass` is the colour (3,) that was taken for bare glass, 0 to 255.
    """

    transmission: NDArray[np.float32]
    lit: NDArray[np.bool_]
    glass: tuple[float, float, float] = (255.0, 255.0, 255.0)


def even_illumination(image: NDArray[np.uint8]) -> EvenField:
    """Divide an image (H, W, 3) uint8 RGB by its glass, a quadratic surface per channel."""
    brightness = largest_channel(image)
    lit: NDArray[np.bool_] = brightness > _DARK * np.percentile(brightness[::4, ::4], 98)
    rows, columns, glass = _block_glass(image, lit)
    if len(rows) < 1:
        return EvenField(np.ones(image.shape, np.float32), np.zeros(lit.shape, np.bool_))
    surface = _glass_surface(rows, columns, glass, image.shape[:2])
    transmission = np.clip(image / np.maximum(surface, 1), 0, 1.2).astype(np.float32)
    red, green, blue = np.median(glass, axis=0).tolist()
    return EvenField(transmission, lit, (red, green, blue))


def largest_channel(image: NDArray[Value]) -> NDArray[Value]:
    """Return the largest of the three channels (H, W) of an image (H, W, 3); a tenth of the time of `max(axis=2)`."""
    largest: NDArray[Value] = np.maximum(np.maximum(image[:, :, 0], image[:, :, 1]), image[:, :, 2])
    return largest


def smallest_channel(image: NDArray[Value]) -> NDArray[Value]:
    """Return the smallest of the three channels (H, W) of an image (H, W, 3)."""
    smallest: NDArray[Value] = np.minimum(np.minimum(image[:, :, 0], image[:, :, 1]), image[:, :, 2])
    return smallest


def _block_glass(
    image: NDArray[np.uint8], lit: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Row and column of each lit block, in -1 to 1, and its glass (N, 3)."""
    row_edges, column_edges = (np.linspace(0, side, min(_BLOCKS, side) + 1).astype(int) for side in lit.shape)
    rows, columns, glass = [], [], []
    picture, mask = Image.fromarray(image), Image.fromarray(lit)
    for top, bottom in itertools.pairwise(row_edges):
        for left, right in itertools.pairwise(column_edges):
            if lit[top:bottom, left:right].mean() < 0.5:
                continue
            rows.append((top + bottom) / lit.shape[0] - 1)
            columns.append((left + right) / lit.shape[1] - 1)
            block = (left, top, right, bottom)
            counts = np.array(picture.crop(block).histogram(mask.crop(block))).reshape(3, 256)
            glass.append([_percentile(channel, _BRIGHT) for channel in counts])
    return np.array(rows), np.array(columns), np.array(glass, dtype=np.float64).reshape(-1, 3)


def _percentile(counts: NDArray[np.int64], percentage: float) -> float:
    """The percentile of a histogram (256,), as `numpy.percentile` has it, in a tenth of its time."""
    below = np.cumsum(counts)
    place = (below[-1] - 1) * percentage / 100
    low, high = np.searchsorted(below, [np.floor(place), np.ceil(place)], side="right").tolist()
    return float(low + (high - low) * (place - np.floor(place)))


def _terms(rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
    one = np.ones(np.broadcast(rows, columns).shape)
    return np.stack([one, rows * one, columns * one, rows * columns, rows**2 * one, columns**2 * one], axis=-1)


def _glass_surface(
    rows: NDArray[np.float64], columns: NDArray[np.float64], glass: NDArray[np.float64], size: tuple[int, ...]
) -> NDArray[np.float32]:
    """Fit each channel, leaving out blocks that are darker than the fit: they are covered by cells."""
    terms = _terms(rows, columns)
    keep = glass.sum(axis=1) >= _SHADED**2 * np.median(glass.sum(axis=1))
    for _ in range(_ROUNDS):
        penalty = np.diag([0, 1, 1, 2, 2, 2]) * 0.005 * keep.sum()  # a cell-covered corner must not bend the surface
        design = terms[keep]
        solution = np.linalg.solve(design.T @ design + penalty + 1e-9 * np.eye(6), design.T @ glass[keep])
        ratio = glass.sum(axis=1) / np.maximum((terms @ solution).sum(axis=1), 1)
        updated = ratio >= _SHADED
        if updated.sum() < 0.2 * len(updated) or (updated == keep).all():
            break
        keep = updated
    grid_rows, grid_columns = (np.linspace(-1, 1, side) for side in size[:2])
    surface = np.empty((*size[:2], 3), np.float32)
    for channel in range(3):
        one, row, column, cross, row2, column2 = solution[:, channel]
        along = (one + row * grid_rows + row2 * grid_rows**2)[:, None]
        surface[:, :, channel] = (
            along + grid_columns * (column + cross * grid_rows[:, None]) + column2 * grid_columns**2
        )
    return surface
