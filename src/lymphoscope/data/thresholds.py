"""Otsu's threshold."""

import numpy as np
from numpy.typing import NDArray


def otsu(values: NDArray[np.uint8]) -> int:
    """Return Otsu's threshold of grey levels of any shape: values above it are the bright class.

    Of one grey level only, the threshold is that level, so that nothing is above it.
    """
    counts = np.bincount(values.ravel(), minlength=256).astype(np.float64)
    below = np.cumsum(counts)
    total, level_sum = below[-1], np.cumsum(counts * np.arange(256))
    both = (below > 0) & (below < total)
    if not both.any():
        return int(values.max(initial=0))
    between = np.zeros(256)
    between[both] = (level_sum[-1] * below[both] / total - level_sum[both]) ** 2 / (below * (total - below))[both]
    return int(np.argmax(between))
