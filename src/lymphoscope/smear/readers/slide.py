"""What every reader gives: a slide, or a field, whose pixels are read by region."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lymphoscope.errors import LymphoscopeError

Pixels = NDArray[np.uint8]
"""(H, W, 3) RGB."""


class UnreadableRegion(LymphoscopeError):  # noqa: N818 - named for how it reads where it is caught
    """Pixels that cannot be read; its text is the reason in one line."""


class Slide(Protocol):
    """An open field or slide. Several threads may read it."""

    @property
    def width(self) -> int:
        """Pixels of the full resolution."""
        ...

    @property
    def height(self) -> int:
        """Pixels of the full resolution."""
        ...

    @property
    def microns_per_pixel(self) -> float | None:
        """Scale of the full resolution, None where the file does not say it."""
        ...

    @property
    def slide(self) -> str | None:
        """Id of the slide, None where the file does not say it."""
        ...

    @property
    def subject(self) -> str | None:
        """Id of the subject, None where the file does not say it."""
        ...

    def read(self, x: int, y: int, width: int, height: int) -> Pixels:
        """Read a region of the full resolution that lies within the slide, (height, width, 3) uint8 RGB.

        Raises UnreadableRegion.
        """
        ...

    def read_shrunk(self, x: int, y: int, width: int, height: int, factor: int) -> Pixels:
        """Read a region of the full resolution at 1 / `factor` of its size, rounded up, from the level that fits.

        Raises UnreadableRegion.
        """
        ...

    def close(self) -> None:
        """Release the file."""
        ...


def shrunk_to(pixels: Pixels, width: int, height: int, factor: int) -> Pixels:
    """Resize what was read of a region of `width` x `height` pixels to 1 / `factor` of that, rounded up."""
    size = (-(-width // factor), -(-height // factor))
    if pixels.shape[1::-1] == size:
        return pixels
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BOX))


def plausible_scale(microns_per_pixel: float | None) -> float | None:
    """Return a scale if a microscope can have it (0.02 to 5 microns per pixel): cameras often write 72 dpi."""
    if microns_per_pixel is None or not 0.02 <= microns_per_pixel <= 5:
        return None
    return float(microns_per_pixel)
