"""Fields and slides kept open: regions of them, and tiles for a deep zoom.

Deep Zoom's geometry, as OpenSeadragon asks for it: the top level is the whole image, each level below has half its
size, rounded up, down to one pixel; tiles have no overlap. An image of ordinary size is held whole, at every level; of
a slide only the region of a tile is read.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lymphoscope.errors import LymphoscopeError
from lymphoscope.review.pages.jpeg import encode

TILE: Final = 256
"""Pixels of a tile's side."""
MOST_WHOLE: Final = 64_000_000
"""Pixels of the largest image that is held whole."""
MOST_READ: Final = 16_000_000
"""Pixels that are read for one tile of a slide whose reader does not shrink."""
MOST_HELD: Final = 200_000_000
"""Bytes of all that is kept open."""
_SLIDE_BYTES: Final = 20_000_000
"""What an open slide is reckoned to hold."""

Pixels = NDArray[np.uint8]


class Region(Protocol):
    """An image of which parts can be read: a `Slide` of `smear.readers`."""

    @property
    def width(self) -> int:
        """Pixels."""
        ...

    @property
    def height(self) -> int:
        """Pixels."""
        ...

    def read(self, x: int, y: int, width: int, height: int) -> Pixels:
        """Return (height, width, 3) uint8 RGB with the top left corner at x, y."""
        ...


Opener = Callable[[], Region]


class Pyramids:
    """Images by key; the opener that a method is given is called where the image is not held. For several threads."""

    def __init__(self) -> None:
        self._held: OrderedDict[Hashable, _Whole | _Slide] = OrderedDict()
        self._lock = threading.Lock()
        self._locks: dict[Hashable, threading.Lock] = {}

    def tile(self, key: Hashable, opener: Opener, level: int, column: int, row: int) -> bytes:
        """Return a tile as JPEG. Raises LymphoscopeError for a tile that the image does not have."""
        image = self._image(key, opener)
        top = top_level(image.width, image.height)
        if not 0 <= level <= top:
            raise LymphoscopeError(f"the image has the levels 0 to {top}, not {level}")
        factor = 2 ** (top - level)
        width, height = math.ceil(image.width / factor), math.ceil(image.height / factor)
        left, upper = column * TILE, row * TILE
        if not (0 <= left < width and 0 <= upper < height):
            raise LymphoscopeError(f"level {level} has no tile {column}, {row}")
        box = (left, upper, min(left + TILE, width), min(upper + TILE, height))
        return encode(image.part(level, box, factor))

    def region(self, key: Hashable, opener: Opener, box: tuple[int, int, int, int]) -> Pixels:
        """Return the part of an image within `box` (left, top, right, bottom), as far as the image goes."""
        image = self._image(key, opener)
        left, top, right, bottom = box
        inner = (max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height))
        if inner[0] >= inner[2] or inner[1] >= inner[3]:
            raise LymphoscopeError(f"the box {box} lies outside the image of {image.width} x {image.height} pixels")
        return np.asarray(image.part(top_level(image.width, image.height), inner, 1))

    def _image(self, key: Hashable, opener: Opener) -> "_Whole | _Slide":
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            image = self._held.get(key) or _opened(opener())
            with self._lock:
                self._held[key] = image
                while len(self._held) > 1 and sum(one.size for one in self._held.values()) > MOST_HELD:
                    self._held.popitem(last=False)
            return image


def top_level(width: int, height: int) -> int:
    """Return the number of the level that is the whole image."""
    return math.ceil(math.log2(max(width, height, 1)))


class _Whole:
    """An image held at every level, the smallest first."""

    def __init__(self, region: Region) -> None:
        self.width, self.height = region.width, region.height
        image = Image.fromarray(np.ascontiguousarray(region.read(0, 0, self.width, self.height)))
        levels = [np.asarray(image)]
        for _ in range(top_level(self.width, self.height)):
            half = (math.ceil(image.width / 2), math.ceil(image.height / 2))
            image = image.resize(half, Image.Resampling.BOX)
            levels.append(np.asarray(image))
        self.levels = levels[::-1]  # arrays: an RGB image of Pillow takes 4 bytes per pixel
        self.size = sum(level.nbytes for level in levels)

    def part(self, level: int, box: tuple[int, int, int, int], factor: int) -> Image.Image:
        left, top, right, bottom = box
        return Image.fromarray(np.ascontiguousarray(self.levels[level][top:bottom, left:right]))


class _Slide:
    """A slide that stays open; parts of it are read."""

    def __init__(self, region: Any) -> None:
        self.width, self.height = region.width, region.height
        self.region = region
        self.size = _SLIDE_BYTES

    def part(self, level: int, box: tuple[int, int, int, int], factor: int) -> Image.Image:
        left, top = box[0] * factor, box[1] * factor
        width, height = min(box[2] * factor, self.width) - left, min(box[3] * factor, self.height) - top
        shrunk = (box[2] - box[0], box[3] - box[1])
        if factor > 1 and hasattr(self.region, "read_shrunk"):
            return _sized(self.region.read_shrunk(left, top, width, height, factor), shrunk)
        if width * height > MOST_READ:
            raise LymphoscopeError("this slide cannot be shown so small: zoom in")
        return _sized(self.region.read(left, top, width, height), shrunk)


def _sized(pixels: Pixels, size: tuple[int, int]) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return image if image.size == size else image.resize(size, Image.Resampling.BOX)


def _opened(region: Region) -> _Whole | _Slide:
    return _Slide(region) if region.width * region.height > MOST_WHOLE else _Whole(region)
