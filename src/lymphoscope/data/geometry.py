"""Images of any size -> the square that a network takes, and boxes back to pixels of the file."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from lymphoscope.errors import LymphoscopeError
from lymphoscope.vocabulary import CROP_MODES, CropMode


@dataclass(frozen=True)
class Geometry:
    """How an image becomes `size` x `size` pixels: from its central `crop` x `crop` pixels, or from all of it.

    C-NMC's 450 x 450 cells on black get a `center_crop` of 300, other sources `resize`.
    """

    crop_mode: CropMode = "center_crop"
    crop: int = 300
    size: int = 300

    def __post_init__(self) -> None:
        if self.crop_mode not in CROP_MODES:
            raise LymphoscopeError(f"crop mode {self.crop_mode!r} is unknown: use {' or '.join(CROP_MODES)}")
        if min(self.crop, self.size) < 1:
            raise LymphoscopeError(f"crop {self.crop} and size {self.size} must be at least 1 pixel")


def fit_image(pixels: NDArray[np.uint8], geometry: Geometry) -> NDArray[np.uint8]:
    """Crop or resize (H, W, 3) uint8 to (size, size, 3) uint8, bilinear with antialiasing.

    `center_crop` pads a smaller image with black, and resamples only if size differs from crop.
    """
    square = _central(pixels, geometry.crop) if geometry.crop_mode == "center_crop" else pixels
    if square.shape[:2] == (geometry.size, geometry.size):
        return square.copy()
    image = Image.fromarray(np.ascontiguousarray(square))
    return np.array(image.resize((geometry.size, geometry.size), Image.Resampling.BILINEAR))


def to_file_pixels(boxes: ArrayLike, width: int, height: int, geometry: Geometry) -> NDArray[np.int64]:
    """Map boxes (B, 4) top, left, bottom, right from fitted pixels to int64 pixels of the file.

    Boxes are half open, widened to whole pixels and clipped to the `width` x `height` of the file: a box that lies
    wholly in the black padding becomes empty.
    """
    fitted = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    scale, offset = _scale_and_offset(width, height, geometry)
    # The product first: whole numbers stay exact in float64, so that no box grows by a rounding error.
    exact = fitted * scale[0] / scale[1] + offset
    whole = np.concatenate([np.floor(exact[:, :2]), np.ceil(exact[:, 2:])], axis=1)
    clipped: NDArray[np.int64] = np.clip(whole, 0, [height, width, height, width]).astype(np.int64)
    return clipped


def _scale_and_offset(width: int, height: int, geometry: Geometry) -> tuple[tuple[Any, int], NDArray[np.int64]]:
    if geometry.crop_mode == "resize":
        return (np.array([height, width, height, width]), geometry.size), np.zeros(4, dtype=np.int64)
    top, left = (height - geometry.crop) // 2, (width - geometry.crop) // 2
    return (geometry.crop, geometry.size), np.array([top, left, top, left])


def _central(pixels: NDArray[np.uint8], crop: int) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    top, left = (height - crop) // 2, (width - crop) // 2
    inside = pixels[max(top, 0) : max(top, 0) + crop, max(left, 0) : max(left, 0) + crop]
    if inside.shape[:2] == (crop, crop):
        return inside
    square = np.zeros((crop, crop, 3), dtype=np.uint8)
    y, x = max(-top, 0), max(-left, 0)
    square[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return square
