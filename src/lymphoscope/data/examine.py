"""One reading of every picture for all that the audit asks of it."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lymphoscope.data.fit import Fit
from lymphoscope.data.images import UnreadableImage, read_image
from lymphoscope.data.looks import frame_of, grey_of, look_of
from lymphoscope.data.threads import in_threads
from lymphoscope.files import sha256_of

CROP = Fit.crop
"""Pixels of the side of the central crop that C-NMC's cells take."""

_BLACK = 8
_SHARE_OF_BLACK_FRAME = 0.99


class Examination(NamedTuple):
    """What was found in one file; where `fault` says why it cannot be read, nothing else was."""

    fault: str | None = None
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    phash: str | None = None
    thumbnail: NDArray[np.uint8] | None = None  # (64, 64)
    beyond_crop: bool = False


def examine_all(paths: list[str]) -> list[Examination]:
    """Examine files in threads, in the order of the paths."""
    return in_threads(partial(examine, crop=CROP), paths, "examining cells")


def examine(path: str, crop: int = CROP) -> Examination:
    """Read one file once: fault, hash, size, look, and whether the cell reaches beyond the central crop."""
    try:
        pixels = read_image(path)
        sha256 = sha256_of(Path(path))
    except UnreadableImage as error:
        return Examination(fault=error.reason)
    except OSError as error:
        return Examination(fault=error.strerror or "cannot be read")
    height, width = pixels.shape[:2]
    look = look_of(pixels)
    return Examination(None, sha256, width, height, look.phash, look.thumbnail, reaches_beyond(pixels, crop))


def reaches_beyond(pixels: NDArray[np.uint8], crop: int) -> bool:
    """Whether a cell on black has pixels on or outside the border of the central `crop` x `crop`.

    `pixels` is (H, W, 3) uint8. False where the picture is no larger than the crop, or its frame is not black.
    """
    bright = grey_of(pixels) > _BLACK
    height, width = bright.shape
    if min(height, width) <= crop or frame_of(bright).mean() > 1 - _SHARE_OF_BLACK_FRAME:
        return False
    top, left = (height - crop) // 2, (width - crop) // 2
    inside = bright[top + 1 : top + crop - 1, left + 1 : left + crop - 1]
    return bool(bright.sum() > inside.sum())
