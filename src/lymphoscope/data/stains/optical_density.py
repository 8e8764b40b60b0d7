"""Match mean and standard deviation of the optical density of each channel to a reference.

Romanowsky stains absorb light in proportion to their amount (Beer-Lambert), so a weaker stain or brighter lamp is a
linear change of optical density. This is the statistics matching of Reinhard et al. (2001), doi 10.1109/38.946629, in
optical density in place of Lab, channel by channel: one look-up table per channel and cell.
"""

import numpy as np
from numpy.typing import NDArray

from lymphoscope.data.stains.registry import StainStatistics, stain_method

_MIN_DEVIATION = 0.02
_MAX_GAIN = 2.0
"""The contrast is at most doubled or halved: beyond that, noise and compression artefacts dominate."""

# Half a grey level is added so that black has a finite density.
_DENSITY = (-np.log((np.arange(256) + 0.5) / 255.5)).astype(np.float64)


def measure_density(pixels: NDArray[np.uint8]) -> StainStatistics:
    """Return mean and standard deviation of the optical density of R, G and B over pixels (N, 3)."""
    means, deviations = [], []
    for channel in range(3):
        counts = np.bincount(pixels[:, channel], minlength=256)
        mean = float(counts @ _DENSITY / len(pixels))
        means.append(mean)
        deviations.append(float(np.sqrt(counts @ (_DENSITY - mean) ** 2 / len(pixels))))
    return StainStatistics((means[0], means[1], means[2]), (deviations[0], deviations[1], deviations[2]))


@stain_method(
    "optical_density", title="mean and deviation of the optical density of each channel", measure=measure_density
)
def match_density(pixels: NDArray[np.uint8], own: StainStatistics, reference: StainStatistics) -> NDArray[np.uint8]:
    """Give pixels (N, 3) of statistics `own` the statistics of the reference."""
    matched = np.empty_like(pixels)
    for channel in range(3):
        gain = reference.deviation[channel] / max(own.deviation[channel], _MIN_DEVIATION)
        gain = float(np.clip(gain, 1 / _MAX_GAIN, _MAX_GAIN))
        density = (_DENSITY - own.mean[channel]) * gain + reference.mean[channel]
        table = np.clip(np.rint(255.5 * np.exp(-density) - 0.5), 0, 255).astype(np.uint8)
        matched[:, channel] = table[pixels[:, channel]]
    return matched
