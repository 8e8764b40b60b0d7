"""The attention map laid over its cell."""

import matplotlib
import numpy as np
from numpy.typing import NDArray

COLOURS = "viridis"
_STRONGEST = 0.65


def attention_overlay(pixels: NDArray[np.uint8], attention: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(S, S, 3) uint8 RGB and its map (S, S) 0-1 -> (S, S, 3) uint8: the more attention, the more and yellower colour.

    Where the network did not look, the cell itself shows.
    """
    strength = np.clip(np.nan_to_num(attention), 0, 1)[..., None]  # (S, S, 1)
    colour = matplotlib.colormaps[COLOURS](strength[..., 0])[..., :3] * 255  # (S, S, 3)
    mixed = pixels * (1 - _STRONGEST * strength) + colour * _STRONGEST * strength
    return np.asarray(np.rint(mixed), dtype=np.uint8)
