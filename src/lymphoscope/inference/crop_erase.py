"""Eq. 2-4 in NumPy, for runtimes that compute without torch: guiding maps -> boxes, crops, erased cells.

The arithmetic is that of `lymphoscope.method.attention`, in the same order, so that boxes are the same; what differs
is how much of it is done. A bilinear surface has its extremes at its knots, so a box needs the map at the few pixels
beside the knots of one side and at all of the other, never at all S x S. A box is a rectangle, so a crop is resampled
side by side: columns first, and only those of the rows that are looked at. What is erased lies within such a box.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

FLAT = np.float32(1e-6)
"""`lymphoscope.method.attention.FLAT`: a map of less range than this has nothing to show."""

Floats = NDArray[np.float32]
Cells = NDArray[Any]
"""uint8 or float32, 0-255."""
Sources = tuple[NDArray[np.intp], NDArray[np.intp], Floats]


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


def crops_of(cells: Cells, boxes: NDArray[np.int64], pool: ThreadPoolExecutor | None = None) -> Cells:
    """Enlarge boxes (B, 4) of cells (B, S, S, 3) to S x S bilinearly (Eq. 3); bytes are rounded, floats are not."""
    crops = np.empty_like(cells)
    _for_each(lambda place: _enlarged(cells[place], boxes[place].tolist(), crops[place]), len(cells), pool)
    return crops


def erased_of(
    cells: Cells, maps: Floats, threshold: float, fill: tuple[float, ...], pool: ThreadPoolExecutor | None = None
) -> Cells:
    """Paint over F* >= threshold with `fill`, three values in the cells' units (Eq. 4): (B, S, S, 3)."""
    erased, size = np.empty_like(cells), cells.shape[1]
    colour = (np.asarray(fill) if cells.dtype.kind == "f" else np.rint(fill)).astype(cells.dtype)
    stretched, boxes = stretch(maps, size), crop_boxes(maps, size, threshold, 0.0)

    def paint(place: int) -> None:
        erased[place] = cells[place]
        if not stretched.flat[place]:
            top, left, bottom, right = boxes[place].tolist()
            inside = stretched.of(place).at(np.arange(top, bottom), np.arange(left, right))[0]
            part = erased[place, top:bottom, left:right]
            np.copyto(part, colour, where=inside[:, :, None] >= threshold)

    _for_each(paint, len(cells), pool)
    return erased


def _for_each(do: Callable[[int], None], count: int, pool: ThreadPoolExecutor | None) -> None:
    for _ in (pool.map if pool else map)(do, range(count)):
        pass


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


def _enlarged(cell: Cells, box: list[int], out: Cells) -> None:
    """Write the box of one cell (S, S, 3), enlarged, into `out`."""
    top, left, bottom, right = box
    size = len(cell)
    if (bottom - top, right - left) == (size, size):
        out[:] = cell
        return
    part = cell[top:bottom, left:right].reshape(bottom - top, -1).astype(np.float32)  # (h, w * 3)
    rise = np.zeros_like(part)
    np.subtract(part[:, 3:], part[:, :-3], out=rise[:, :-3])
    wide = _lerp(part, rise, *_places(right - left, size), axis=1)  # (h, S * 3)
    if out.dtype == np.uint8:
        wide += np.float32(0.5)
    rise = np.zeros_like(wide)
    np.subtract(wide[1:], wide[:-1], out=rise[:-1])
    before, _, way = _sources(bottom - top, size)
    out[:] = _lerp(wide, rise, before, way[:, None], axis=0).reshape(size, size, 3)


@cache
def _places(length: int, size: int) -> tuple[NDArray[np.intp], Floats]:
    """For each value of a row of `size` pixels of three colours: the one before it, and how far from there."""
    before, _, way = _sources(length, size)
    return (before[:, None] * 3 + np.arange(3)).ravel(), np.repeat(way, 3)


def _lerp(values: Floats, rise: Floats, before: NDArray[np.intp], way: Floats, axis: Literal[0, 1]) -> Floats:
    """Between neighbours along an axis; `rise` is to the next, taken where the values are still few."""
    large: Floats = rise.take(before, axis=axis)
    large *= way
    large += values.take(before, axis=axis)
    return large
