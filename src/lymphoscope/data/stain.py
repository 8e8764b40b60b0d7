"""Stain normalisation of fitted cells: which pixels it concerns, its reference, and its application.

The black around a segmented cell is neither measured nor changed, nor is the bright glass of a smear, unless the method
asks for the glass. The reference is measured on the training cells and stored in the model file. Quality and
out-of-distribution signals are measured after the normalisation, because their limits are about what the network knows.
"""

from collections.abc import Iterable
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from lymphoscope.data.images import border_of
from lymphoscope.data.stains import StainMethod, StainStatistics, get_stain_method
from lymphoscope.errors import LymphoscopeError
from lymphoscope.strict_model import StrictModel

Pixels = NDArray[np.uint8]
Triple = tuple[float, float, float]

_BLACK_LEVEL = 12
"""Grey level of the green channel up to which a pixel is the black around a cell."""
_GLASS_LEVEL = 0.88
"""Fraction of the brightest green (95th percentile) from which a pixel of a smear is glass."""
_MIN_FOREGROUND = 0.01
"""Fraction of the image that must be foreground; a blank image stays as it is."""
_STEP = 4
"""The brightest green is measured on every 4th pixel of every 4th row."""


class StainNormalization(StrictModel):
    """A method of stain normalisation and the reference that cells are matched to."""

    method: str = Field(description="Name of the method, as in the recipe.")
    level: Triple = Field(
        description="Where each channel lies, in the method's colour space: its mean, or the density of the glass. "
        "Median of the training cells."
    )
    contrast: Triple = Field(
        description="How far the values of each channel are apart: their standard deviation, or the density of the "
        "nucleus above the glass. Median of the training cells."
    )
    cells: int = Field(ge=1, description="Number of training cells that were measured.")

    @model_validator(mode="after")
    def _is_valid(self) -> Self:
        try:
            get_stain_method(self.method)
        except LymphoscopeError as error:
            raise ValueError(str(error)) from error
        if not np.isfinite([*self.level, *self.contrast]).all() or min(self.contrast) < 0:
            raise ValueError("level and contrast must be finite, and the contrast not negative")
        return self

    def apply(self, pixels: Pixels) -> Pixels:
        """Give a fitted cell, (S, S, 3) uint8 RGB, the colours of the reference; a blank image is returned as it is."""
        method = get_stain_method(self.method)
        foreground = _measured_pixels(method, pixels)
        if foreground is None:
            return pixels
        cell, normalized = pixels[foreground], pixels.copy()
        reference = StainStatistics(self.level, self.contrast)
        normalized[foreground] = method.normalize(cell, method.measure(cell), reference)
        return normalized


def foreground_of(pixels: Pixels) -> NDArray[np.bool_] | None:
    """Return the mask (H, W) of what is neither black nor glass in (H, W, 3) uint8; None if there is hardly any.

    An image whose border is mostly black is a segmented cell, which has no glass.
    """
    green = pixels[:, :, 1]
    foreground: NDArray[np.bool_] = green > _BLACK_LEVEL
    if (border_of(green) <= _BLACK_LEVEL).mean() <= 0.5:
        foreground &= green < _GLASS_LEVEL * np.percentile(green[::_STEP, ::_STEP], 95)
    return foreground if foreground.mean() >= _MIN_FOREGROUND else None


def _measured_pixels(method: StainMethod, pixels: Pixels) -> NDArray[np.bool_] | None:
    """Return the mask of the pixels that a method measures and changes; None for a blank image."""
    foreground = foreground_of(pixels)
    return pixels[:, :, 1] > _BLACK_LEVEL if method.glass and foreground is not None else foreground


def measure_reference(method: str, images: Iterable[Pixels]) -> StainNormalization:
    """Measure the reference of a method: the median over images, (H, W, 3) uint8, of their foreground's statistics.

    Raises LymphoscopeError for an unknown method, and if no image has a foreground.
    """
    stain = get_stain_method(method)
    statistics = [
        stain.measure(image[measured]) for image in images if (measured := _measured_pixels(stain, image)) is not None
    ]
    if not statistics:
        raise LymphoscopeError(f"stain normalisation {method}: no training cell has a foreground, use data.stain=none")
    level, contrast = np.median(np.array(statistics, dtype=np.float64), axis=0).round(6).tolist()
    return StainNormalization(method=method, level=tuple(level), contrast=tuple(contrast), cells=len(statistics))
