"""What can be measured of a fitted cell's picture without knowing what it shows: focus, exposure, stain, and the frame.

Nothing here is good or bad by itself: the limits are those of the training cells (`model.json`), so that
no number is tied to one stain or microscope. A cell on black, as C-NMC's are, is measured inside the cell; a picture
with surroundings as a whole, for all of it lies in one focus under one lamp, but its frame is touched by what is
stained like the nucleus, not by the red cells around.

One reading of every picture for all that the audit asks of it.
"""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lymphoscope.data.geometry import Geometry
from lymphoscope.data.images import UnreadableImage, in_threads, read_image
from lymphoscope.data.similarity.perceptual_hash import frame_of, grey_of, perceptual_hash
from lymphoscope.files import sha256_of

_BLACK = 12
"""Grey level up to which a pixel is taken for the black around a cut-out cell."""
_RIM = 0.04
"""Fraction of the side by which the cell is made smaller: its edge on black is sharp or soft by the cutting out."""
_EVERY = 4
"""Brightness, colour and the shape of the stain are taken from each 4th pixel of each 4th row."""
_NOISE = 0.1
"""Squared grey levels that are never told from a flat picture."""


class PictureStatistics(NamedTuple):
    """Of one fitted cell. Where no cell is found, they are of the whole picture."""

    sharpness: float
    """Log of the mean square of the Laplacian of the green channel: lower is more out of focus."""
    brightness: float
    """Mean of R, G and B, 0-255."""
    touching: float
    """Fraction of the picture's frame where the cell, or the stain of a nucleus, goes on beyond it; 0-1."""
    red_green: float
    """Log of mean R over mean G."""
    blue_green: float
    """Log of mean B over mean G."""


def picture_statistics(pixels: NDArray[np.uint8], shown: tuple[slice, slice] | None = None) -> PictureStatistics:
    """Measure a fitted cell (S, S, 3); `shown` is the part that the file fills, all of it without (`shown_part`)."""
    part = pixels if shown is None else pixels[shown]
    green = part[:, :, 1]  # where stain and haemoglobin absorb most
    few = part[::_EVERY, ::_EVERY]
    on_black = bool((frame_of(green) <= _BLACK).mean() > 0.5)
    cell = few[few[:, :, 1] > _BLACK] if on_black else few.reshape(-1, 3)
    red, grn, blue = (cell if len(cell) else few.reshape(-1, 3)).mean(axis=0, dtype=np.float64).tolist()
    return PictureStatistics(
        sharpness=_sharpness(green, grn, on_black),
        brightness=(red + grn + blue) / 3,
        touching=_on_frame(green > _BLACK) if on_black else _stain_on_frame(few[:, :, 1]),
        red_green=_log_ratio(red, grn),
        blue_green=_log_ratio(blue, grn),
    )


def shown_part(width: int, height: int, geometry: Geometry) -> tuple[slice, slice] | None:
    """Rows and columns of the fitted square that a file of this size fills; None for all, when nothing is padded."""
    if geometry.crop_mode == "resize" or min(width, height) >= geometry.crop:
        return None
    return _filled(height, geometry), _filled(width, geometry)


def _filled(side: int, geometry: Geometry) -> slice:
    start = max(0, -((side - geometry.crop) // 2))
    end = min(geometry.crop, start + side)
    first, last = -(-start * geometry.size // geometry.crop), end * geometry.size // geometry.crop
    # A pixel that resampling mixed with the padding is no frame of the cell.
    mixed = int(geometry.size != geometry.crop)
    first, last = first + mixed * (start > 0), last - mixed * (end < geometry.crop)
    return slice(first, max(last, first + 1))


def _sharpness(green: NDArray[np.uint8], mean: float, on_black: bool) -> float:
    grey = green.astype(np.int16)
    rows = grey[1:-1:2]  # each second row says as much, and takes half the time
    laplacian = rows[:, 2:] + rows[:, :-2]
    laplacian += (grey[2::2] + grey[:-2:2])[: len(rows), 1:-1]
    laplacian -= 4 * rows[:, 1:-1]
    squares = np.square(laplacian, dtype=np.float32)
    if on_black and (inside := _inside(green > int(mean) // 2)[1:-1:2, 1:-1]).any():
        squares = squares[inside]
    return float(np.log(squares.mean() + _NOISE)) if squares.size else float(np.log(_NOISE))


def _inside(cell: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The cell without its rim: pixels from which the cell reaches as far to all four sides."""
    rim = max(2, round(_RIM * len(cell)))
    inner = np.zeros_like(cell)
    if min(cell.shape) > 2 * rim:
        middle = slice(rim, -rim)
        sides = cell[2 * rim :, middle] & cell[: -2 * rim, middle] & cell[middle, 2 * rim :] & cell[middle, : -2 * rim]
        inner[middle, middle] = cell[middle, middle] & sides
    return inner


def _stain_on_frame(green: NDArray[np.uint8]) -> float:
    """The share of the frame that the largest stained thing takes; the stain is what Otsu's threshold calls dark."""
    from scipy import ndimage  # four tenths of a second, and no cell on black needs it

    stained = green <= _otsu(green)
    things, count = ndimage.label(stained)
    if count == 0:
        return 0.0
    largest = int(np.bincount(things.ravel())[1:].argmax()) + 1
    return _on_frame(things == largest)


def _on_frame(inside: NDArray[Any]) -> float:
    return float(frame_of(inside).mean())


def _otsu(grey: NDArray[np.uint8]) -> int:
    """The level up to which pixels are dark: the greatest variance between the two classes (Otsu 1979)."""
    counts = np.bincount(grey.ravel(), minlength=256).astype(np.float64)
    below = np.cumsum(counts)
    mass = np.cumsum(counts * np.arange(256))
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mass[-1] * below / below[-1] - mass) ** 2 / (below * above)
    return int(np.nan_to_num(between, nan=0.0, posinf=0.0).argmax())


def _log_ratio(one: float, other: float) -> float:
    return float(np.log((one + 1) / (other + 1)))


CROP = Geometry.crop
"""Pixels of the side of the central crop that C-NMC's cells take."""

_BLACK_of_examine = 8
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
    look = perceptual_hash(pixels)
    return Examination(None, sha256, width, height, look.phash, look.thumbnail, reaches_beyond(pixels, crop))


def reaches_beyond(pixels: NDArray[np.uint8], crop: int) -> bool:
    """Whether a cell on black has pixels on or outside the border of the central `crop` x `crop`.

    `pixels` is (H, W, 3) uint8. False where the picture is no larger than the crop, or its frame is not black.
    """
    bright = grey_of(pixels) > _BLACK_of_examine
    height, width = bright.shape
    if min(height, width) <= crop or frame_of(bright).mean() > 1 - _SHARE_OF_BLACK_FRAME:
        return False
    top, left = (height - crop) // 2, (width - crop) // 2
    inside = bright[top + 1 : top + crop - 1, left + 1 : left + crop - 1]
    return bool(bright.sum() > inside.sum())
