"""Thumbnails of cells: cut from the sprite sheets of `smear`, or made from the files that `predict` read.

A browser that decoded whole sheets for a sorted gallery would hold them all: 36 MB of pixels each. So a sheet is cut up
once, its thumbnails are kept in one file of the cache (a pack), and each has its own immutable address.
"""

import hashlib
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from lymphoscope.data import read_image
from lymphoscope.errors import LymphoscopeError
from lymphoscope.files import written_beside
from lymphoscope.review.pages.jpeg import encode

SIDE = 96
"""Pixels of a thumbnail made from a file."""
MOST_IN_MEMORY = 64_000_000
"""Bytes of encoded thumbnails that are kept in memory."""
_MAGIC = b"lymthumb"
_HEAD = struct.Struct("<8sII")  # magic, thumbnails per row, number


@dataclass(frozen=True, slots=True)
class Sprite:
    """Where a thumbnail lies: the sheet, its left and top on it and its side, in pixels."""

    sheet: Path
    x: int
    y: int
    side: int


class Thumbnails:
    """Thumbnails as JPEG, for several threads; packs are kept below `cache`."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._memory = _BoundedMemory(MOST_IN_MEMORY)
        self._locks: dict[Path, threading.Lock] = {}
        self._lock = threading.Lock()

    def of_sprite(self, sprite: Sprite) -> bytes:
        """Return a thumbnail of a sheet. Raises LymphoscopeError if the sheet or that place of it is missing."""
        return self._memory.get((sprite.sheet, sprite.x, sprite.y), lambda: self._from_pack(sprite))

    def of_file(self, path: Path) -> bytes:
        """Return the thumbnail of an image file. Raises UnreadableImage."""
        return self._memory.get((path, 0, 0), lambda: _shrunk(path))

    def prepare(self, sheets: Iterable[tuple[Path, int]]) -> threading.Thread:
        """Cut up these sheets (path, side of a thumbnail) in the background, in order, where the cache has none.

        The thread is returned; it ends with the process.
        """
        thread = threading.Thread(target=self._prepare, args=(tuple(dict.fromkeys(sheets)),), daemon=True)
        thread.start()
        return thread

    def _prepare(self, sheets: Iterable[tuple[Path, int]]) -> None:
        for sheet, side in sheets:
            try:
                self._pack_of(sheet, side)
            except LymphoscopeError:
                continue  # a request for one of its thumbnails gets the error

    def _from_pack(self, sprite: Sprite) -> bytes:
        pack = self._pack_of(sprite.sheet, sprite.side)
        with pack.open("rb") as stream:
            _, per_row, number = _HEAD.unpack(stream.read(_HEAD.size))
            place = sprite.y // sprite.side * per_row + sprite.x // sprite.side
            if not 0 <= place < number or sprite.x // sprite.side >= per_row:
                raise LymphoscopeError(f"{sprite.sheet}: it has no thumbnail at {sprite.x}, {sprite.y}")
            stream.seek(_HEAD.size + 4 * place)
            start, end = struct.unpack("<II", stream.read(8))
            stream.seek(_HEAD.size + 4 * (number + 1) + start)
            return stream.read(end - start)

    def _pack_of(self, sheet: Path, side: int) -> Path:
        pack = self._cache / f"{_name_of(sheet, side)}.pack"
        if not pack.is_file():
            with self._lock:
                lock = self._locks.setdefault(pack, threading.Lock())
            with lock:
                if not pack.is_file():
                    _write_pack(pack, sheet, side)
        return pack


class _BoundedMemory:
    """The bytes that were asked for last, at most `most` of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[object, bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, key: object, make: Callable[[], bytes]) -> bytes:
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        made = make()
        with self._lock:
            if key not in self._held:
                self._held[key] = made
                self._size += len(made)
            while self._size > self._most:
                _, dropped = self._held.popitem(last=False)
                self._size -= len(dropped)
        return made


def _name_of(sheet: Path, side: int) -> str:
    """A name that changes with the sheet's content, as far as its path, time and size tell."""
    try:
        facts = sheet.stat()
    except OSError as error:
        raise LymphoscopeError(f"{sheet}: the sheet of thumbnails is missing: copy the whole results folder") from error
    return hashlib.sha256(f"{sheet}\0{facts.st_mtime_ns}\0{facts.st_size}\0{side}".encode()).hexdigest()[:32]


def _write_pack(pack: Path, sheet: Path, side: int) -> None:
    if side <= 0:
        raise LymphoscopeError(f"{sheet}: thumbnails of {side} pixels")
    pixels = read_image(sheet)
    rows, columns = pixels.shape[0] // side, pixels.shape[1] // side
    parts = [
        encode(Image.fromarray(np.ascontiguousarray(pixels[top : top + side, left : left + side])))
        for top in range(0, rows * side, side)
        for left in range(0, columns * side, side)
    ]
    ends = np.cumsum([0, *map(len, parts)], dtype="<u4")
    with written_beside(pack, durable=False) as beside:
        beside.write_bytes(_HEAD.pack(_MAGIC, columns, len(parts)) + ends.tobytes() + b"".join(parts))


def _shrunk(path: Path) -> bytes:
    image = Image.fromarray(read_image(path))
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return encode(image)
