"""Files -> fitted cells, where a file that cannot be read is a result like any other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lymphoscope.data.fit import Fit, fit_image
from lymphoscope.data.images import UnreadableImage, read_image
from lymphoscope.data.quality import PictureStatistics, picture_statistics, shown_part
from lymphoscope.inference.remote import is_remote, local_copy


@dataclass(frozen=True)
class ReadCell:
    """A cell as read: its pixels (S, S, 3) RGB and the size of its file in pixels, or the reason why not.

    `statistics` are of its pixels, where they were asked for.
    """

    pixels: NDArray[np.uint8] | None
    width: int = 0
    height: int = 0
    error: str | None = None
    statistics: PictureStatistics | None = None


def read_cell(path: str, fit: Fit, *, measured: bool = False) -> ReadCell:
    """Read and fit one file, `measured` or not; the full-size picture is let go before the next one is read."""
    if is_remote(path):
        return _read_remote(path, fit, measured)
    try:
        picture = read_image(path)
    except UnreadableImage as unreadable:
        return ReadCell(None, error=unreadable.reason)
    height, width = picture.shape[:2]
    pixels = fit_image(picture, fit)
    statistics = picture_statistics(pixels, shown_part(width, height, fit)) if measured else None
    return ReadCell(pixels, width, height, statistics=statistics)


def _read_remote(url: str, fit: Fit, measured: bool) -> ReadCell:
    try:
        with local_copy(url) as copy:
            return read_cell(str(copy), fit, measured=measured)
    except OSError as error:
        return ReadCell(None, error=f"cannot be fetched: {error.strerror or type(error).__name__}")
