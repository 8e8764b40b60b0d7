"""Limits of decoding: one bound of memory over all threads, and files that are built to take long.

`images.read_image` keeps them, so they hold for every reader of the package.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

MAX_SCANS = 32
"""Scans of a JPEG file. Cameras and editors write at most about 12; every scan takes as long as a whole image."""
_MAX_PAGES = 16


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


def scans_fault(path: Path, image: Image.Image) -> str | None:
    """Return why a JPEG file has too many scans, None if it has not (or is of another format)."""
    if image.format not in ("JPEG", "MPO"):
        return None
    # Within compressed data a byte FF is followed by 00, so that this can only be the start of a scan.
    scans = path.read_bytes().count(b"\xff\xda")
    return f"{scans} scans in a JPEG file, at most {MAX_SCANS} are read: save it again" if scans > MAX_SCANS else None


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
    count = f"{getattr(image, 'n_frames', len(pages))} pages"
    if len(pages) == 3 and all(page == ((pages[0][0]), "grey") for page in pages):
        return f"TIFF with {count} of grey, probably R, G and B: save them as one page of RGB"
    return f"TIFF with {count} of one size (a z-stack or a series): save the page to be read as a file of its own"


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
