"""Eq. 2-4 in NumPy, for runtimes that compute without torch: guiding maps -> boxes, crops, erased cells.

The arithmetic is that of `lymphoscope.method.attention`, in the same order, so that boxes are the same; what differs
is how much of it is done. A bilinear surface has its extremes at its knots, so a box needs the map at the few pixels
beside the knots of one side and at all of the other, never at all S x S. A box is a rectangle, so a crop is resampled
side by side: columns first, and only those of the rows that are looked at. What is erased lies within such a box.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lymphoscope.method.numpy.buffers import ThreadLocalBufferPool

FLAT = np.float32(1e-6)
"""`lymphoscope.method.attention.FLAT`: a map of less range than this has nothing to show."""

Floats = NDArray[np.float32]
Cells = NDArray[Any]
"""uint8 or float32, 0-255."""
Sources = tuple[NDArray[np.intp], NDArray[np.intp], Floats]
_MEMORY = ThreadLocalBufferPool()


@dataclass(frozen=True)
class Stretch:
    """Maps (B, h, w) with what makes F* of Eq. 2 of them: relief (B, h, w), low, span (B, 1, 1), and size S."""

    relief: Floats
    low: Floats
    span: Floats
    flat: NDArray[np.bool_]
    """(B,) whether the map shows nothing."""
    size: int

    def of(self, place: int) -> "Stretch":
        """One of the maps, (1, h, w)."""
        one = slice(place, place + 1)
        return Stretch(self.relief[one], self.low[one], self.span[one], self.flat[one], self.size)

    def at(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Floats:
        """F* (B, len(rows), len(columns)) at pixels of the S x S square, 0-1; zeros for a flat map."""
        large = _sampled(self.relief, self.size, rows, columns)
        values: Floats = (large - self.low) / self.span
        values[self.flat] = 0.0
        return values


def stretch(maps: Floats, size: int) -> Stretch:
    """Prepare maps (B, h, w) for `size` x `size` pixels (Eq. 2)."""
    relief = maps - maps.min(axis=(1, 2), keepdims=True)
    knots = _sampled(relief, size, _beside_knots(maps.shape[1], size), _beside_knots(maps.shape[2], size))
    low, high = knots.min(axis=(1, 2), keepdims=True), knots.max(axis=(1, 2), keepdims=True)
    span = high - low
    flat = span < FLAT * np.maximum(high, np.float32(1.0))  # relative above 1, where float32 rounds by more
    return Stretch(relief, low, np.where(flat, np.float32(1.0), span), flat[:, 0, 0], size)


def normalized_maps(maps: Floats, size: int) -> Floats:
    """F* of Eq. 2 at every pixel: maps (B, h, w) -> (B, S, S), 0-1."""
    everywhere = np.arange(size)
    return stretch(maps, size).at(everywhere, everywhere)


def crop_boxes(maps: Floats, size: int, threshold: float, padding: float) -> NDArray[np.int64]:
    """Smallest boxes around F* >= threshold, grown by `padding` of the side (Eq. 3): maps (B, h, w) -> (B, 4).

    Top, left, bottom, right in pixels, half open; the whole square for a flat map.
    """
    stretched, everywhere = stretch(maps, size), np.arange(size)
    rows = stretched.at(everywhere, _beside_knots(maps.shape[2], size)).max(axis=2) >= threshold  # (B, S)
    columns = stretched.at(_beside_knots(maps.shape[1], size), everywhere).max(axis=1) >= threshold
    top, bottom = _extent(rows & ~stretched.flat[:, None], round(padding * size))
    left, right = _extent(columns & ~stretched.flat[:, None], round(padding * size))
    return np.stack((top, left, bottom, right), axis=1)


def write_crops(cells: Cells, boxes: NDArray[np.int64], out: Cells) -> None:
    """Enlarge boxes (B, 4) of cells (B, S, S, 3) to S x S bilinearly (Eq. 3), into `out`; bytes are rounded."""
    for cell, box, crop in zip(cells, boxes.tolist(), out, strict=True):
        _enlarge(cell, box, crop)


def write_erased(cells: Cells, maps: Floats, threshold: float, fill: tuple[float, ...], out: Cells) -> None:
    """Copy cells (B, S, S, 3) to `out`, F* >= threshold painted over with three values in their units (Eq. 4)."""
    colour = (np.asarray(fill) if cells.dtype.kind == "f" else np.rint(fill)).astype(cells.dtype)
    pixel = np.dtype((np.void, colour.nbytes))  # three values moved as one
    stretched, boxes = stretch(maps, cells.shape[1]), crop_boxes(maps, cells.shape[1], threshold, 0.0)
    for place, (cell, erased) in enumerate(zip(cells, out, strict=True)):  # one at a time stays in the cache
        erased[:] = cell
        if not stretched.flat[place]:
            top, left, bottom, right = boxes[place].tolist()
            attended = stretched.of(place).at(np.arange(top, bottom), np.arange(left, right))[0] >= threshold
            part = erased[top:bottom, left:right].view(pixel)[..., 0]
            np.copyto(part, colour.view(pixel), where=attended)


@cache
def _sources(length: int, size: int) -> Sources:
    """Where each of `size` pixels lies among `length` knots: the knot before, the knot after, the way between."""
    places = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(length / size) - np.float32(0.5)
    places = places.clip(min=0)
    before = places.astype(np.intp)
    return before, np.minimum(before + 1, length - 1), places - before.astype(np.float32)


@cache
def _beside_knots(length: int, size: int) -> NDArray[np.intp]:
    """The pixels next to a knot: between two of them the map is a straight line and has no extreme."""
    before, _, _ = _sources(length, size)
    turns = np.flatnonzero(np.diff(before))
    return np.unique(np.concatenate(([0], turns, turns + 1, [size - 1])))


def _sampled(maps: Floats, size: int, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Floats:
    """Maps (B, h, w) upsampled to `size`, at some rows and columns."""
    return _between(_between(maps, _sources(maps.shape[2], size), columns, 2), _sources(maps.shape[1], size), rows, 1)


def _between(maps: Floats, sources: Sources, places: NDArray[np.intp], axis: Literal[1, 2]) -> Floats:
    before, after, way = sources[0][places], sources[1][places], sources[2][places]
    weight = way[:, None] if axis == 1 else way
    values: Floats = maps.take(before, axis=axis) * (1 - weight) + maps.take(after, axis=axis) * weight
    return values


def _extent(marks: NDArray[np.bool_], padding: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First mark and one past the last of (B, S), grown by `padding`; all of S where there is no mark."""
    length = marks.shape[1]
    first, last = marks.argmax(axis=1), length - marks[:, ::-1].argmax(axis=1)
    return (first - padding).clip(min=0), (last + padding).clip(max=length)


def _enlarge(cell: Cells, box: list[int], out: Cells) -> None:
    """Write the box of one cell (S, S, 3), enlarged, into `out`."""
    top, left, bottom, right = box
    height, width, size = bottom - top, right - left, len(cell)
    if (height, width) == (size, size):
        out[:] = cell
        return
    part = _MEMORY.array("part", (height, width * 3), np.float32)
    part.reshape(height, width, 3)[:] = cell[top:bottom, left:right]
    wide = _MEMORY.array("wide", (height, size * 3), np.float32)
    _lerp(part, *_places(width, size), axis=1, out=wide)
    if out.dtype == np.uint8:
        wide += np.float32(0.5)  # so that cutting off digits rounds
    before, _, way = _sources(height, size)
    _lerp(wide, before, way[:, None], axis=0, out=out.reshape(size, size * 3))


@cache
def _places(length: int, size: int) -> tuple[NDArray[np.intp], Floats]:
    """For each value of a row of `size` pixels of three colours: the one before it, and how far from there."""
    before, _, way = _sources(length, size)
    return (before[:, None] * 3 + np.arange(3)).ravel(), np.repeat(way, 3)


def _lerp(values: Floats, before: NDArray[np.intp], way: Floats, axis: Literal[0, 1], out: Cells) -> None:
    """Write what lies between neighbours along an axis; their difference is taken where the values are still few."""
    step = 3 if axis else values.shape[1]  # to the same colour of the next pixel, or to the next row
    rise = _MEMORY.array("rise", values.shape, np.float32)
    flat = values.ravel()
    np.subtract(flat[step:], flat[:-step], out=rise.ravel()[:-step])
    np.moveaxis(rise, axis, 0)[-3 if axis else -1 :] = 0.0  # the last has no next
    large, start = (_MEMORY.array(name, out.shape, np.float32) for name in ("large", "start"))
    rise.take(before, axis=axis, out=large, mode="wrap")  # "raise" would fill a copy of `out` first
    large *= way
    values.take(before, axis=axis, out=start, mode="wrap")
    large += start
    out[:] = large
