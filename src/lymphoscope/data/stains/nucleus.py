"""Match the glass and the nucleus: the palest part of the image and the densest get the colours of the reference.

Camera and light decide the colour of the glass, the stain that of the nucleus, whatever the kind of cell. With both
fixed in every channel (linear in optical density), cells of other laboratories look like the training cells, while
cytoplasm and granules keep their colours relative to the nucleus. Mean and deviation of all pixels, in contrast,
depend on how much of the image is nucleus, so matching them changes a small nucleus more than a large one.
"""

import numpy as np
from numpy.typing import NDArray

from lymphoscope.beer_lambert import DENSITY, map_density
from lymphoscope.data.stains.registry import StainStatistics, stain_method

_PALEST = 25
"""Percent of the pixels that are taken as glass; the median of them is used."""
_DENSEST = 16
"""Percent of the pixels that are taken as nucleus; their mean is used. A smaller share depends on the darkest rim."""
_GAIN_LIMITS = (0.3, 4.0)
_STEP = 3
"""Every third pixel is measured."""


def measure_nucleus(pixels: NDArray[np.uint8]) -> StainStatistics:
    """Return the optical density of the glass, and of the nucleus above it, in R, G and B, of pixels (N, 3)."""
    sample = pixels[::_STEP] if len(pixels) >= 100 * _STEP else pixels
    density = DENSITY[sample].astype(np.float32)
    total = density.sum(axis=1)
    palest, densest = np.percentile(total, (_PALEST, 100 - _DENSEST))
    glass = np.median(density[total <= palest], axis=0)
    nucleus = np.maximum(density[total >= densest].mean(axis=0) - glass, 0)
    return StainStatistics(_triple(glass), _triple(nucleus))


@stain_method("nucleus", title="colours of the glass and of the nucleus", measure=measure_nucleus, glass=True)
def match_nucleus(pixels: NDArray[np.uint8], own: StainStatistics, reference: StainStatistics) -> NDArray[np.uint8]:
    """Give pixels (N, 3) of statistics `own` the glass and the nucleus of the reference."""
    return map_density(pixels, own, reference, _GAIN_LIMITS)


def _triple(values: NDArray[np.floating]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
