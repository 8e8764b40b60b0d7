"""Limits of decoding: one bound of memory over all threads, and of the processor time of one file.

`images.read_image` keeps them, so they hold for every reader of the package. Time is bounded in two ways. Decoders that
take their bytes piece by piece (PNG, JPEG, GIF, BMP, PPM, TIFF without compression, and the parsers of all headers)
are stopped by `TimedFile` when the next piece is due. Those that take a file as a whole (WebP, AVIF, JPEG 2000,
compressed TIFF) are bounded by the number of pixels and tiles; tests/data/test_decoding_time.py measures both.
"""

import io
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

MAX_SCANS = 32
"""Scans of a JPEG file. Cameras and editors write at most about 12; every scan takes as long as a whole image."""
MAX_SECONDS = 30.0
"""Processor time for one file. The slowest files of 64 megapixels that usual programs write take 5 seconds."""
MAX_FILE_BYTES = 1024**3
"""Bytes of the largest file: 64 megapixels with 16 bits in four channels are half of it."""
MAX_TILES = 200_000
"""Tiles or strips of a TIFF file. 64 megapixels in strips of one row have 8,000, in tiles of 32 x 32 pixels 63,000."""
_MAX_PAGES = 16
_TILE_TAGS = (273, 324)  # StripOffsets, TileOffsets
_BLOCK = 1024**2


class DecodingTimeError(Exception):
    """A file took more than MAX_SECONDS of processor time. No OSError: decoders take those for the end of the file."""


class TimedFile(io.BufferedReader):
    """A file that raises DecodingTimeError where this thread has used `seconds` of processor time since it was opened.

    Processor time, not time of day, so that a busy machine or a slow disk does not decide what can be read.
    """

    def __init__(self, path: Path, seconds: float = MAX_SECONDS) -> None:
        super().__init__(io.FileIO(path), 64 * 1024)
        self._end = time.thread_time() + seconds

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as the base class does. Raises DecodingTimeError."""
        self._check()
        return super().read(size)

    def seek(self, target: int, whence: int = 0, /) -> int:
        """Seek as the base class does. Raises DecodingTimeError."""
        self._check()
        return super().seek(target, whence)

    def _check(self) -> None:
        if time.thread_time() > self._end:
            raise DecodingTimeError


class PixelBudget:
    """Pixels that all threads together may have decoded at one time.

    A thread that would exceed the limit waits until others have finished; an image larger than the limit is decoded
    alone. So memory depends neither on the number of readers nor on how many large images follow each other.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._in_use = 0
        self._freed = threading.Condition()

    @contextmanager
    def reserved(self, pixels: int) -> Iterator[None]:
        """Wait until so many pixels are free, and hold them within the context."""
        with self._freed:
            self._freed.wait_for(lambda: self._in_use == 0 or self._in_use + pixels <= self.limit)
            self._in_use += pixels
        try:
            yield
        finally:
            with self._freed:
                self._in_use -= pixels
                self._freed.notify_all()


def scans_fault(image: Image.Image, stream: TimedFile) -> str | None:
    """Return why a JPEG file has too many scans, None if it has not (or is of another format)."""
    if image.format not in ("JPEG", "MPO"):
        return None
    # Within compressed data a byte FF is followed by 00, so that this can only be the start of a scan.
    scans = _count(stream, b"\xff\xda")
    return f"{scans} scans in a JPEG file, at most {MAX_SCANS} are read: save it again" if scans > MAX_SCANS else None


def _count(stream: TimedFile, marker: bytes) -> int:
    """Count a marker of two bytes in a file."""
    stream.seek(0)
    count, last = 0, b""
    while block := stream.read(_BLOCK):
        count += (last + block).count(marker)
        last = block[-1:]
    return count


def tiles_fault(stream: TimedFile) -> str | None:
    """Return why a TIFF file has too many tiles, None if it has not (or is of another format).

    Looked up in the file itself, because Pillow makes an object of every tile when it opens the file.
    """
    stream.seek(0)
    order = {b"II": "<", b"MM": ">"}.get(stream.read(2), "")
    try:
        tiles = _tiles(stream, order) if order else 0
    except struct.error:
        tiles = 0  # damaged, which Pillow will say
    stream.seek(0)
    return f"{tiles} tiles in a TIFF file, at most {MAX_TILES} are read: save it again" if tiles > MAX_TILES else None


def _tiles(stream: TimedFile, order: str) -> int:
    """Return the number of tiles or strips in the first directory of a TIFF (version 42) or BigTIFF (43) file."""
    (version,) = struct.unpack(f"{order}H", stream.read(2))
    if version not in (42, 43):
        return 0
    offset, count, entry = ("I", "H", "HHII") if version == 42 else ("4xQ", "Q", "HHQQ")
    stream.seek(*struct.unpack(order + offset, stream.read(struct.calcsize(order + offset))))
    (entries,) = struct.unpack(order + count, stream.read(struct.calcsize(order + count)))
    size = struct.calcsize(order + entry)
    largest = 0
    for _ in range(min(entries, 2**16)):
        tag, _, values, _ = struct.unpack(order + entry, stream.read(size))
        largest = max(largest, values if tag in _TILE_TAGS else 0)
    return largest


def pages_fault(image: Image.Image) -> str | None:
    """Return why a TIFF file of several pages is not one image, None if it is one.

    Smaller pages, and pages that are marked as reduced or as a mask, belong to a pyramid: its first level is the image.
    """
    if image.format != "TIFF" or not getattr(image, "is_animated", False):
        return None
    pages = _pages(image)
    same = [page for page in pages[1:] if page == pages[0]]
    if not same:
        return None
    count = f"{len(pages)} pages" if len(pages) < _MAX_PAGES else f"{_MAX_PAGES} pages or more"
    if len(pages) == 3 and all(page == ((pages[0][0]), "grey") for page in pages):
        return f"TIFF with {count} of grey, probably R, G and B: save them as one page of RGB"
    return f"TIFF with {count} of one size (a z-stack or a series): save the page to be read as a separate file"


def _pages(image: Image.Image) -> list[tuple[tuple[int, int], str]]:
    """Size and kind of the first pages: grey, colour, or reduced."""
    pages = []
    try:
        for number in range(_MAX_PAGES):
            image.seek(number)
            tags = getattr(image, "tag_v2", {})
            is_part = bool(number and int(tags.get(254, 0)) & 0b101)  # NewSubfileType: reduced, or a mask
            kind = "reduced" if is_part else "grey" if len(image.getbands()) == 1 else "colour"
            pages.append((image.size, kind))
    except EOFError:
        pass
    finally:
        image.seek(0)
    return pages
