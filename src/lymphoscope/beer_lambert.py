"""Optical density of 8-bit channels: stains absorb light in proportion to their amount (Beer-Lambert)."""

import numpy as np
from numpy.typing import NDArray

# Half a grey level is added so that black has a finite density.
DENSITY: NDArray[np.float64] = -np.log((np.arange(256) + 0.5) / 255.5)
"""(256,) optical density of each grey level; white is about 0."""
_MIN_CONTRAST = 0.02
"""Optical density; a flatter channel is stretched no more than one of this contrast."""


def grey_level(density: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the grey level that is nearest to each optical density, of any shape."""
    return np.clip(np.rint(255.5 * np.exp(-density) - 0.5), 0, 255).astype(np.uint8)


def map_density(
    pixels: NDArray[np.uint8],
    own: tuple[tuple[float, ...], tuple[float, ...]],
    reference: tuple[tuple[float, ...], tuple[float, ...]],
    gain_limits: tuple[float, float],
) -> NDArray[np.uint8]:
    """Map level and contrast of the density of each channel of pixels (N, 3) from `own` onto `reference`.

    The gain of the contrast stays between `gain_limits`, because noise and compression artefacts grow with it.
    """
    mapped = np.empty_like(pixels)
    for channel, (level, contrast, to_level, to_contrast) in enumerate(zip(*own, *reference, strict=True)):
        gain = float(np.clip(to_contrast / max(contrast, _MIN_CONTRAST), *gain_limits))
        table = grey_level((DENSITY - level) * gain + to_level)
        mapped[:, channel] = table[pixels[:, channel]]
    return mapped
