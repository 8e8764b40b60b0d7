"""Tiles of a field: cores that partition it, and around each core the margin that a cell on its edge needs."""

import math
from dataclasses import dataclass
from itertools import pairwise

CORE = 1024
"""Pixels of the side of a core, at most: a detector needs about 300 bytes per pixel."""
WHOLE = 1600
"""A field whose sides are not longer than this many pixels is one tile, without seams."""
MARGIN_MICRONS = 20.0
"""Micrometres around a core: a white cell whose centre is in the core lies within core and margin."""
_LARGEST_MARGIN = 512


@dataclass(frozen=True)
class Region:
    """A rectangle in pixels of a field."""

    x: int
    y: int
    width: int
    height: int

    def holds(self, x: float, y: float, slack: float = 0.0) -> bool:
        """Whether a point lies in the rectangle, half open, widened by `slack` pixels on all sides."""
        return -slack <= x - self.x < self.width + slack and -slack <= y - self.y < self.height + slack


@dataclass(frozen=True)
class Tile:
    """A tile of field number `field`: `number` counts the tiles of the field from 1, in rows."""

    field: int
    number: int
    core: Region
    area: Region


def tiles_of(
    field: int, width: int, height: int, microns_per_pixel: float, *, core: int = CORE, whole: int = WHOLE
) -> list[Tile]:
    """Cut a field of `width` x `height` pixels into tiles, whose cores are a partition of it, of nearly one size."""
    if max(width, height) <= whole:
        everything = Region(0, 0, width, height)
        return [Tile(field, 1, everything, everything)]
    margin = min(math.ceil(MARGIN_MICRONS / microns_per_pixel), _LARGEST_MARGIN)
    columns, rows = _parts(width, core), _parts(height, core)
    cores = [Region(x, y, right - x, bottom - y) for y, bottom in rows for x, right in columns]
    return [Tile(field, number, one, _widened(one, margin, width, height)) for number, one in enumerate(cores, start=1)]


def _parts(length: int, longest: int) -> list[tuple[int, int]]:
    count = math.ceil(length / longest)
    edges = [round(length * part / count) for part in range(count + 1)]
    return list(pairwise(edges))


def _widened(core: Region, margin: int, width: int, height: int) -> Region:
    x, y = max(core.x - margin, 0), max(core.y - margin, 0)
    right, bottom = min(core.x + core.width + margin, width), min(core.y + core.height + margin, height)
    return Region(x, y, right - x, bottom - y)
