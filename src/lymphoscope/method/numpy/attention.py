"""Attention maps -> boxes, crops and erased cells (Eq. 2-4), in NumPy. Torch twin: `method/attention.py`.

The arithmetic is that of the twin, in the same order, so that boxes are equal; only less of it is computed. A bilinear
surface has its extremes at its knots, so a box needs the map only at the few pixels next to the knots of one side and
at all pixels of the other, never at all S x S. A box is a rectangle, so a crop is resampled one axis at a time: columns
first, and only in the rows inside the box. The erased pixels lie inside such a box.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lymphoscope.method.numpy.buffers import ThreadLocalBufferPool

FLAT_RANGE = 1e-6
"""A map with a smaller range (max - min) than this is flat: it attends to nothing."""

Floats = NDArray[np.float32]
Cells = NDArray[Any]
"""uint8 or float32, 0-255."""
Interpolation = tuple[NDArray[np.intp], NDArray[np.intp], Floats]
"""For each pixel: the index of the knot before it, of the knot after it, and the fraction of the way between them."""

_BUFFERS = ThreadLocalBufferPool()


@dataclass(frozen=True)
class StretchedMaps:
    """Maps (B, h, w) and the values by which Eq. 2 stretches them to [0, 1] at S x S pixels."""

    shifted: Floats
    """(B, h, w) the maps minus their minimum."""
    low: Floats
    """(B, 1, 1) minimum at S x S pixels."""
    span: Floats
    """(B, 1, 1) maximum minus minimum at S x S pixels."""
    flat: NDArray[np.bool_]
    """(B,) whether the map is flat."""
    size: int
    """S."""

    def select(self, index: int) -> "StretchedMaps":
        """Return one of the maps, (1, h, w)."""
        one = slice(index, index + 1)
        return StretchedMaps(self.shifted[one], self.low[one], self.span[one], self.flat[one], self.size)

    def at(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Floats:
        """Return F* (B, len(rows), len(columns)) at these pixels, 0-1; zeros for a flat map."""
        values: Floats = (_upsample(self.shifted, self.size, rows, columns) - self.low) / self.span
        values[self.flat] = 0.0
        return values


def stretch_maps(maps: Floats, size: int) -> StretchedMaps:
    """Prepare maps (B, h, w) for `size` x `size` pixels (Eq. 2)."""
    shifted = maps - maps.min(axis=(1, 2), keepdims=True)
    knots = _upsample(shifted, size, _beside_knots(maps.shape[1], size), _beside_knots(maps.shape[2], size))
    low, high = knots.min(axis=(1, 2), keepdims=True), knots.max(axis=(1, 2), keepdims=True)
    span = high - low
    # The limit is relative above 1, where float32 rounds by more than 1e-6.
    flat = span < np.float32(FLAT_RANGE) * np.maximum(high, np.float32(1.0))
    return StretchedMaps(shifted, low, np.where(flat, np.float32(1.0), span), flat[:, 0, 0], size)


def normalized_maps(maps: Floats, size: int) -> Floats:
    """Return F* of Eq. 2 at every pixel: maps (B, h, w) -> (B, S, S), 0-1."""
    pixels = np.arange(size)
    return stretch_maps(maps, size).at(pixels, pixels)


def crop_boxes(maps: Floats, size: int, threshold: float, padding: float) -> NDArray[np.int64]:
    """Return the smallest boxes that contain F* >= threshold (Eq. 3): maps (B, h, w) -> (B, 4).

    Top, left, bottom, right in pixels, half open, extended on each side by `padding` times the side and clipped; the
    whole square for a flat map.
    """
    stretched, pixels = stretch_maps(maps, size), np.arange(size)
    rows = stretched.at(pixels, _beside_knots(maps.shape[2], size)).max(axis=2) >= threshold  # (B, S)
    columns = stretched.at(_beside_knots(maps.shape[1], size), pixels).max(axis=1) >= threshold
    top, bottom = _extent(rows & ~stretched.flat[:, None], round(padding * size))
    left, right = _extent(columns & ~stretched.flat[:, None], round(padding * size))
    return np.stack((top, left, bottom, right), axis=1)


def write_crops(cells: Cells, boxes: NDArray[np.int64], out: Cells) -> None:
    """Enlarge boxes (B, 4) of cells (B, S, S, 3) to S x S bilinearly (Eq. 3) into `out`; bytes are rounded."""
    for cell, box, crop in zip(cells, boxes.tolist(), out, strict=True):
        _enlarge(cell, box, crop)


def write_erased(cells: Cells, maps: Floats, threshold: float, fill: tuple[float, ...], out: Cells) -> None:
    """Copy cells (B, S, S, 3) to `out` with F* >= threshold set to `fill`, one value per channel, 0-255 (Eq. 4)."""
    colour = (np.asarray(fill) if cells.dtype.kind == "f" else np.rint(fill)).astype(cells.dtype)
    pixel = np.dtype((np.void, colour.nbytes))  # three values that are copied as one
    stretched, boxes = stretch_maps(maps, cells.shape[1]), crop_boxes(maps, cells.shape[1], threshold, 0.0)
    for index, (cell, erased) in enumerate(zip(cells, out, strict=True)):  # one cell at a time stays in the cache
        erased[:] = cell
        if not stretched.flat[index]:
            top, left, bottom, right = boxes[index].tolist()
            attended = stretched.select(index).at(np.arange(top, bottom), np.arange(left, right))[0] >= threshold
            part = erased[top:bottom, left:right].view(pixel)[..., 0]
            np.copyto(part, colour.view(pixel), where=attended)


@cache
def _interpolation(length: int, size: int) -> Interpolation:
    """Return where each of `size` pixels lies between `length` knots."""
    positions = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(length / size) - np.float32(0.5)
    positions = positions.clip(min=0)
    before = positions.astype(np.intp)
    return before, np.minimum(before + 1, length - 1), positions - before.astype(np.float32)


@cache
def _beside_knots(length: int, size: int) -> NDArray[np.intp]:
    """Return the pixels next to a knot. Between two of them the map is linear and has no extreme."""
    before, _, _ = _interpolation(length, size)
    turns = np.flatnonzero(np.diff(before))
    return np.unique(np.concatenate(([0], turns, turns + 1, [size - 1])))


def _upsample(maps: Floats, size: int, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Floats:
    """Upsample maps (B, h, w) to `size` pixels bilinearly, at these rows and columns only."""
    wide = _interpolate(maps, _interpolation(maps.shape[2], size), columns, 2)
    return _interpolate(wide, _interpolation(maps.shape[1], size), rows, 1)


def _interpolate(maps: Floats, interpolation: Interpolation, pixels: NDArray[np.intp], axis: Literal[1, 2]) -> Floats:
    before, after, fraction = interpolation[0][pixels], interpolation[1][pixels], interpolation[2][pixels]
    weight = fraction[:, None] if axis == 1 else fraction
    values: Floats = maps.take(before, axis=axis) * (1 - weight) + maps.take(after, axis=axis) * weight
    return values


def _extent(mask: NDArray[np.bool_], padding: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First True and one past the last True of (B, S), extended by `padding`; (0, S) where there is none."""
    length = mask.shape[1]
    start, stop = mask.argmax(axis=1), length - mask[:, ::-1].argmax(axis=1)
    return (start - padding).clip(min=0), (stop + padding).clip(max=length)


def _enlarge(cell: Cells, box: list[int], out: Cells) -> None:
    """Write the box of one cell (S, S, 3), enlarged to S x S, into `out`."""
    top, left, bottom, right = box
    height, width, size = bottom - top, right - left, len(cell)
    if (height, width) == (size, size):
        out[:] = cell
        return
    part = _BUFFERS.array("part", (height, width * 3), np.float32)
    part.reshape(height, width, 3)[:] = cell[top:bottom, left:right]
    wide = _BUFFERS.array("wide", (height, size * 3), np.float32)
    _lerp(part, *_channel_positions(width, size), axis=1, out=wide)
    if out.dtype == np.uint8:
        wide += np.float32(0.5)  # so that truncation rounds
    before, _, fraction = _interpolation(height, size)
    _lerp(wide, before, fraction[:, None], axis=0, out=out.reshape(size, size * 3))


@cache
def _channel_positions(length: int, size: int) -> tuple[NDArray[np.intp], Floats]:
    """Return for each value of a row of `size` RGB pixels the index of the value before it, and the fraction."""
    before, _, fraction = _interpolation(length, size)
    return (before[:, None] * 3 + np.arange(3)).ravel(), np.repeat(fraction, 3)


def _lerp(values: Floats, before: NDArray[np.intp], fraction: Floats, axis: Literal[0, 1], out: Cells) -> None:
    """Interpolate between neighbours along an axis; their difference is computed while the array is still small."""
    step = 3 if axis else values.shape[1]  # to the same channel of the next pixel, or to the next row
    rise = _BUFFERS.array("rise", values.shape, np.float32)
    flat = values.ravel()
    np.subtract(flat[step:], flat[:-step], out=rise.ravel()[:-step])
    np.moveaxis(rise, axis, 0)[-3 if axis else -1 :] = 0.0  # the last one has no next
    result, start = (_BUFFERS.array(name, out.shape, np.float32) for name in ("result", "start"))
    rise.take(before, axis=axis, out=result, mode="wrap")  # mode="raise" would buffer `out`
    result *= fraction
    values.take(before, axis=axis, out=start, mode="wrap")
    result += start
    out[:] = result
