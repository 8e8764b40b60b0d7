"""What of an image is compared with other images: the cell on black, or the whole image and windows on its nuclei.

A segmented cell on black is cut to its bounding box and padded to a square, so that neither the size of the black frame
nor the position of the cell matters. If the cell reaches beyond the central crop that models are given, its part inside
the crop is a second view. An image with surroundings is compared as a whole and, because its frame may be shifted, by
windows around its nuclei: each window is centred where the stain of nuclei is densest (mean shift), which depends on
the pixels around it only, and its contrast is normalised locally, because all nuclei are dark discs otherwise.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lymphoscope.data.images import border_of, grey_of
from lymphoscope.data.quality import DEFAULT_CROP, reaches_beyond_crop
from lymphoscope.data.similarity.simhash import SIDE

Grey = NDArray[np.uint8]

_CELL_LEVEL = 30
_MIN_CELL_PIXELS = 3
"""A row or column belongs to the cell from so many pixels above the level: JPEG leaves noise around a cell on black."""
_BLACK_LEVEL = 12
_MAX_FILLED = 0.9
"""A cell fills less of its bounding box; a smear in a black frame fills all of it."""

_STAIN_SIDE = 96
_STAIN_RED = 235.0
"""Red level from which a pixel is unstained: nuclei absorb red, red cells hardly."""
_KERNEL = 0.22
"""Radius of the mean shift, as a fraction of the shorter side; the window has the side _WINDOW."""
_WINDOW = 0.5
_MAX_WINDOWS = 2
_MAX_STARTS = 5
_MIN_RELATIVE_MASS = 0.5
_FINE, _COARSE = 2.0, 4.0
"""Standard deviations, in pixels of the window, of the blurs for local mean and local contrast."""


class Views(NamedTuple):
    """Thumbnails (64, 64) uint8 of the cell or the whole image, and contrast-normalised windows (64, 64) float32."""

    thumbnails: list[Grey]
    windows: list[NDArray[np.float32]]


def views_of(pixels: NDArray[np.uint8]) -> Views:
    """Return what to compare of an image, (H, W, 3) uint8 RGB."""
    grey = grey_of(pixels)
    box = _bounding_box(grey) if (border_of(grey) <= _BLACK_LEVEL).mean() > 0.5 else None
    if box is not None and (grey[box[0] : box[1], box[2] : box[3]] > _BLACK_LEVEL).mean() < _MAX_FILLED:
        return Views([_square_thumbnail(grey, box), *_cropped_view(pixels, grey)], [])
    return Views([_thumbnail(grey)], _nucleus_windows(pixels, grey))


def centred(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Subtract the mean of the visible part of thumbnails (N, 64, 64); black, which is no part of a cell, becomes 0."""
    grey = thumbnails.astype(np.float32)
    visible = grey > 4
    count = np.maximum(visible.sum(axis=(1, 2), keepdims=True), 1)
    result: NDArray[np.float32] = (grey - (grey * visible).sum(axis=(1, 2), keepdims=True) / count) * visible
    return result


def _bounding_box(grey: Grey) -> tuple[int, int, int, int] | None:
    """Top, bottom, left, right of what is not black; None if all is."""
    bright = grey > _CELL_LEVEL
    rows = np.flatnonzero(bright.sum(axis=1) >= _MIN_CELL_PIXELS)
    columns = np.flatnonzero(bright.sum(axis=0) >= _MIN_CELL_PIXELS)
    if not len(rows) or not len(columns):
        return None
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _square_thumbnail(grey: Grey, box: tuple[int, int, int, int]) -> Grey:
    top, bottom, left, right = box
    side = max(bottom - top, right - left)
    return _cut(grey, (top + bottom) / 2, (left + right) / 2, side, edge=False)


def _cropped_view(pixels: NDArray[np.uint8], grey: Grey) -> list[Grey]:
    if not reaches_beyond_crop(pixels):
        return []
    top, left = ((side - DEFAULT_CROP) // 2 for side in grey.shape)
    crop = grey[top : top + DEFAULT_CROP, left : left + DEFAULT_CROP]
    box = _bounding_box(crop)
    return [] if box is None else [_square_thumbnail(crop, box)]


def _thumbnail(grey: Grey) -> Grey:
    return np.asarray(Image.fromarray(np.ascontiguousarray(grey)).resize((SIDE, SIDE), Image.Resampling.BOX))


def _cut(grey: Grey, y: float, x: float, side: float, *, edge: bool) -> Grey:
    """The square around (y, x), resampled to (64, 64); outside the image is black, or its edge repeated."""
    pad = int(side / 2) + 1
    padded = np.pad(grey, pad, mode="edge") if edge else np.pad(grey, pad)
    box = (x + pad - side / 2, y + pad - side / 2, x + pad + side / 2, y + pad + side / 2)
    return np.asarray(Image.fromarray(padded).resize((SIDE, SIDE), Image.Resampling.BOX, box=box))


def _nucleus_windows(pixels: NDArray[np.uint8], grey: Grey) -> list[NDArray[np.float32]]:
    height, width = grey.shape
    scale = _STAIN_SIDE / min(height, width)
    size = (round(width * scale), round(height * scale))
    small = np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BOX))
    stain = np.clip(_STAIN_RED - small[:, :, 0].astype(np.float32), 0, None)
    stain[small.max(axis=2) < _CELL_LEVEL] = 0  # a black frame is no stain
    side = _WINDOW * min(height, width)
    cuts = [_cut(grey, (y + 0.5) / scale, (x + 0.5) / scale, side, edge=True) for y, x in _nuclei(stain)]
    windows = [_normalized_contrast(cut) for cut in cuts]
    return [window for window in windows if window is not None]


def _nuclei(stain: NDArray[np.float32]) -> list[tuple[float, float]]:
    """Centres (y, x) of the one or two densest nuclei: the maxima to which mean shift converges."""
    from scipy import ndimage  # takes 0.4 seconds to import, and prediction does not need it

    smooth = ndimage.gaussian_filter(stain, 0.08 * _STAIN_SIDE, mode="constant", truncate=2.5)
    is_peak = (smooth == ndimage.maximum_filter(smooth, size=round(0.15 * _STAIN_SIDE))) & (smooth > 0.3 * smooth.max())
    starts = np.argwhere(is_peak)
    starts = starts[np.argsort(-smooth[is_peak], kind="stable")][:_MAX_STARTS]
    nuclei: list[tuple[float, float, float]] = []
    for y, x in starts.tolist():
        nucleus = _mean_shift(stain, y, x, _KERNEL * _STAIN_SIDE)
        distances = [abs(nucleus[0] - other[0]) + abs(nucleus[1] - other[1]) for other in nuclei]
        if nucleus[2] > 0 and min(distances, default=np.inf) > 0.04 * _STAIN_SIDE:
            nuclei.append(nucleus)
    nuclei.sort(key=lambda nucleus: -nucleus[2])
    return [(y, x) for y, x, mass in nuclei[:_MAX_WINDOWS] if mass > _MIN_RELATIVE_MASS * nuclei[0][2]]


def _mean_shift(weights: NDArray[np.float32], y: float, x: float, radius: float) -> tuple[float, float, float]:
    """Move (y, x) to the weighted mean of its surroundings until it stays; also return the weight there."""
    height, width = weights.shape
    mass = 0.0
    for _ in range(100):
        top, bottom = max(int(y - radius), 0), min(int(y + radius) + 2, height)
        left, right = max(int(x - radius), 0), min(int(x + radius) + 2, width)
        rows = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(y)
        columns = np.arange(left, right, dtype=np.float32)[None, :] - np.float32(x)
        kernel = np.clip(1 - (rows**2 + columns**2) / radius**2, 0, None) * weights[top:bottom, left:right]
        mass = float(kernel.sum())
        if mass <= 0:
            break
        down, right_by = float((kernel * rows).sum()) / mass, float((kernel * columns).sum()) / mass
        y, x = y + down, x + right_by
        if abs(down) + abs(right_by) < 0.005:
            break
    return y, x, mass


def _normalized_contrast(window: Grey) -> NDArray[np.float32] | None:
    """Subtract the local mean and divide by the local contrast; None for a flat window."""
    from scipy import ndimage

    values = window.astype(np.float32)
    if values.std() < 2:
        return None
    values -= ndimage.gaussian_filter(values, _FINE, mode="nearest")
    values /= np.sqrt(ndimage.gaussian_filter(values**2, _COARSE, mode="nearest")) + 2
    result: NDArray[np.float32] = values - values.mean()
    return result
