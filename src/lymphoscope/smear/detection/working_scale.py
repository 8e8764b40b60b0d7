"""A field as the detectors see it: at one scale, under even light, whatever camera took it."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

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
_REACH = 8
"""Pixels around a window of which its slope depends: the filters reach 4."""


@dataclass(frozen=True)
class WorkingField:
    """A field at about 0.3 microns per pixel.

    `index` (H, W) is blue minus green, smoothed: large in nuclei. `zoom` is its pixels per pixel of the image, in x and
    in y.
    """

    even: EvenField
    index: NDArray[np.float32]
    microns_per_pixel: float
    zoom: tuple[float, float]

    @cached_property
    def slope(self) -> NDArray[np.float32]:
        """The change of light per pixel (H, W)."""
        return self.slope_in(Window(0, 0, *self.index.shape))

    def slope_in(self, window: "Window") -> NDArray[np.float32]:
        """Return the change of light per pixel in a window only: a whole field takes long, and cells are few."""
        around = window.widened(_REACH, self.index.shape)
        smooth = ndimage.gaussian_filter(self.even.transmission[around.slices][:, :, :2], (0.8, 0.8, 0))
        slopes = np.hypot(ndimage.sobel(smooth, 0), ndimage.sobel(smooth, 1))[window.within(around).slices]
        steeper: NDArray[np.float32] = (np.maximum(slopes[:, :, 0], slopes[:, :, 1]) / 8).astype(np.float32)
        return steeper


class Window(NamedTuple):
    """Rows and columns of a field from `top` and `left` to before `bottom` and `right`."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def widened(self, pixels: int, size: tuple[int, ...]) -> "Window":
        """Return the window with so many pixels more on each side, within a field of `size` (H, W)."""
        return Window(
            max(self.top - pixels, 0),
            max(self.left - pixels, 0),
            min(self.bottom + pixels, size[0]),
            min(self.right + pixels, size[1]),
        )

    def within(self, outer: "Window") -> "Window":
        """Return the window in rows and columns of a part of the field that holds it."""
        top, left = outer.top, outer.left
        return Window(self.top - top, self.left - left, self.bottom - top, self.right - left)


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
    return WorkingField(even, index, microns_per_pixel, zoom)
