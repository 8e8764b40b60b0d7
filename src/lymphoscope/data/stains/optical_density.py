"""Match mean and standard deviation of the optical density of each channel to a reference.

A weaker stain or brighter lamp is a linear change of optical density. This is the statistics matching of Reinhard et
al. (2001), doi 10.1109/38.946629, in optical density in place of Lab, channel by channel: one look-up table per channel
and cell.
"""

import numpy as np
from numpy.typing import NDArray

from lymphoscope.beer_lambert import DENSITY, map_density
from lymphoscope.data.stains.registry import StainStatistics, stain_method

_GAIN_LIMITS = (0.5, 2.0)


def measure_density(pixels: NDArray[np.uint8]) -> StainStatistics:
    """Return mean and standard deviation of the optical density of R, G and B over pixels (N, 3)."""
    means, deviations = [], []
    for channel in range(3):
        counts = np.bincount(pixels[:, channel], minlength=256)
        mean = float(counts @ DENSITY / len(pixels))
        means.append(mean)
        deviations.append(float(np.sqrt(counts @ (DENSITY - mean) ** 2 / len(pixels))))
    return StainStatistics((means[0], means[1], means[2]), (deviations[0], deviations[1], deviations[2]))


@stain_method(
    "optical_density", title="mean and deviation of the optical density of each channel", measure=measure_density
)
def match_density(pixels: NDArray[np.uint8], own: StainStatistics, reference: StainStatistics) -> NDArray[np.uint8]:
    """Give pixels (N, 3) of statistics `own` the statistics of the reference."""
    return map_density(pixels, own, reference, _GAIN_LIMITS)
