"""A field as the detectors see it: at one scale, under even light, whatever camera took it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from lymphoscope.smear.detection.detector import Pixels
from lymphoscope.smear.illumination import EvenField, even_illumination

WORKING_SCALE = 0.3
"""Microns per pixel."""
LARGEST_ZOOM = 1.6
"""A field is enlarged at most by this factor: more adds cost and no detail."""


@dataclass(frozen=True)
class WorkingField:
    """A field at about 0.3 microns per pixel.

    `index` (H, W) is blue minus green, smoothed: large in nuclei; `slope` (H, W) the change of light per pixel. `zoom`
    is its pixels per pixel of the image, in x and in y.
    """

    even: EvenField
    index: NDArray[np.float32]
    slope: NDArray[np.float32]
    microns_per_pixel: float
    zoom: tuple[float, float]


def working_field(image: Pixels, microns_per_pixel: float) -> WorkingField:
    """Bring an image (H, W, 3) uint8 RGB to the working scale and under even light."""
    factor = min(microns_per_pixel / WORKING_SCALE, LARGEST_ZOOM)
    height, width = image.shape[:2]
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    way = Image.Resampling.BOX if factor < 1 else Image.Resampling.BICUBIC
    small = np.asarray(Image.fromarray(image).resize(size, way)) if size != (width, height) else image
    even = even_illumination(small)
    return of_light(even, microns_per_pixel / factor, (size[0] / width, size[1] / height))


def of_light(even: EvenField, microns_per_pixel: float, zoom: tuple[float, float] = (1.0, 1.0)) -> WorkingField:
    """Return the working field of an even field that is at the working scale already."""
    light = even.transmission
    index = ndimage.gaussian_filter(np.where(even.lit, light[:, :, 2] - light[:, :, 1], 0), 0.8).astype(np.float32)
    smooth = ndimage.gaussian_filter(light[:, :, :2], (0.8, 0.8, 0))
    slopes = np.hypot(ndimage.sobel(smooth, 0), ndimage.sobel(smooth, 1))
    slopes = np.maximum(slopes[:, :, 0], slopes[:, :, 1]) / 8
    return WorkingField(even, index, slopes.astype(np.float32), microns_per_pixel, zoom)
