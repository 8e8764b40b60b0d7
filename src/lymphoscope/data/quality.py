"""Measures of a fitted cell image that need no knowledge of what it shows: focus, exposure, stain and framing.

None of them is good or bad by itself: the limits come from the training cells (`model.json`), so no number is tied to
one stain or microscope. They are measured on what the network receives, after any stain normalisation. A cell on black,
as in C-NMC, is measured inside the cell. An image with surroundings is measured as a whole, as all of it has the same
focus and light, but only what is stained like the nucleus counts as touching its border, not the red cells.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lymphoscope.data.geometry import Geometry
from lymphoscope.data.images import border_of, grey_of
from lymphoscope.data.thresholds import otsu

DEFAULT_CROP = Geometry.crop
"""Side in pixels of the central crop that C-NMC's cells get."""

_BLACK_LEVEL = 12
"""Grey level up to which a pixel counts as the black around a cell."""
_RIM = 0.04
"""Fraction of the side by which the cell is eroded: its edge on black is as sharp as the segmentation was."""
_STEP = 4
"""Brightness, colour and the outline of the stain are measured on every 4th pixel of every 4th row."""
_NOISE = 0.1
"""Squared grey levels that cannot be told from a flat image."""
_BRIGHT_LEVEL = 8
_BLACK_BORDER_SHARE = 0.99


class ImageStatistics(NamedTuple):
    """Measures of one fitted cell. Where no cell is found, they are of the whole image."""

    sharpness: float
    """Log of the mean square of the Laplacian of the green channel: lower is more out of focus."""
    brightness: float
    """Mean of R, G and B, 0-255."""
    touching: float
    """Fraction of the image's border at which the cell, or the stain of a nucleus, is cut off; 0-1."""
    red_green: float
    """Log of mean R over mean G."""
    blue_green: float
    """Log of mean B over mean G."""


def image_statistics(pixels: NDArray[np.uint8], visible: tuple[slice, slice] | None = None) -> ImageStatistics:
    """Measure a fitted cell, (S, S, 3) uint8 RGB; `visible` is the part that the file fills (`visible_part`)."""
    part = pixels if visible is None else pixels[visible]
    green = part[:, :, 1]  # where stain and haemoglobin absorb most
    sample = part[::_STEP, ::_STEP]
    on_black = bool((border_of(green) <= _BLACK_LEVEL).mean() > 0.5)
    cell = sample[sample[:, :, 1] > _BLACK_LEVEL] if on_black else sample.reshape(-1, 3)
    red_mean, green_mean, blue_mean = (
        (cell if len(cell) else sample.reshape(-1, 3)).mean(axis=0, dtype=np.float64).tolist()
    )
    return ImageStatistics(
        sharpness=_sharpness(green, green_mean, on_black),
        brightness=(red_mean + green_mean + blue_mean) / 3,
        touching=_border_share(green > _BLACK_LEVEL) if on_black else _largest_stain_on_border(sample[:, :, 1]),
        red_green=_log_ratio(red_mean, green_mean),
        blue_green=_log_ratio(blue_mean, green_mean),
    )


def visible_part(width: int, height: int, geometry: Geometry) -> tuple[slice, slice] | None:
    """Rows and columns of the fitted square that a file of this size fills; None if it fills all of it."""
    if geometry.crop_mode == "resize" or min(width, height) >= geometry.crop:
        return None
    return _filled_range(height, geometry), _filled_range(width, geometry)


def reaches_beyond_crop(pixels: NDArray[np.uint8], crop: int = DEFAULT_CROP) -> bool:
    """Return whether a cell on black, (H, W, 3) uint8, reaches the border of the central `crop` x `crop` pixels.

    False where the image is no larger than the crop, or its border is not black.
    """
    bright = grey_of(pixels) > _BRIGHT_LEVEL
    height, width = bright.shape
    if min(height, width) <= crop or border_of(bright).mean() > 1 - _BLACK_BORDER_SHARE:
        return False
    top, left = (height - crop) // 2, (width - crop) // 2
    inside = bright[top + 1 : top + crop - 1, left + 1 : left + crop - 1]
    return bool(bright.sum() > inside.sum())


def _filled_range(side: int, geometry: Geometry) -> slice:
    start = max(0, -((side - geometry.crop) // 2))
    end = min(geometry.crop, start + side)
    first, last = -(-start * geometry.size // geometry.crop), end * geometry.size // geometry.crop
    # A pixel that resampling mixed with the padding does not belong to the border of the cell's image.
    mixed = int(geometry.size != geometry.crop)
    first, last = first + mixed * (start > 0), last - mixed * (end < geometry.crop)
    return slice(first, max(last, first + 1))


def _sharpness(green: NDArray[np.uint8], mean: float, on_black: bool) -> float:
    grey = green.astype(np.int16)
    rows = grey[1:-1:2]  # every second row is as informative, and takes half the time
    laplacian = rows[:, 2:] + rows[:, :-2]
    laplacian += (grey[2::2] + grey[:-2:2])[: len(rows), 1:-1]
    laplacian -= 4 * rows[:, 1:-1]
    squares = np.square(laplacian, dtype=np.float32)
    if on_black and (inside := _inside(green > int(mean) // 2)[1:-1:2, 1:-1]).any():
        squares = squares[inside]
    return float(np.log(squares.mean() + _NOISE)) if squares.size else float(np.log(_NOISE))


def _inside(cell: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The cell without its rim: pixels from which the cell reaches equally far in all four directions."""
    rim = max(2, round(_RIM * len(cell)))
    inner = np.zeros_like(cell)
    if min(cell.shape) > 2 * rim:
        middle = slice(rim, -rim)
        sides = cell[2 * rim :, middle] & cell[: -2 * rim, middle] & cell[middle, 2 * rim :] & cell[middle, : -2 * rim]
        inner[middle, middle] = cell[middle, middle] & sides
    return inner


def _largest_stain_on_border(green: NDArray[np.uint8]) -> float:
    """The share of the border that the largest stained object covers; stain is what is dark by Otsu's threshold."""
    from scipy import ndimage  # takes 0.4 seconds to import, and cells on black do not need it

    dark_to = otsu(green) if np.ptp(green) else 0  # one level throughout is no stain, unless it is black
    labels, count = ndimage.label(green <= dark_to)
    if count == 0:
        return 0.0
    largest = int(np.bincount(labels.ravel())[1:].argmax()) + 1
    return _border_share(labels == largest)


def _border_share(inside: NDArray[Any]) -> float:
    return float(border_of(inside).mean())


def _log_ratio(numerator: float, denominator: float) -> float:
    return float(np.log((numerator + 1) / (denominator + 1)))
