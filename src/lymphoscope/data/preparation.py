"""From the pixels of a file to the pixels that a network takes: geometry, then stain normalisation.

Training and inference both prepare cells here, so that they cannot differ.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lymphoscope.data.geometry import Geometry, fit_image
from lymphoscope.data.stain import StainNormalization

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class CellPreparation:
    """How a cell image is prepared: its geometry, and its stain normalisation (None for none)."""

    geometry: Geometry
    stain: StainNormalization | None = None

    def normalize(self, fitted: Pixels) -> Pixels:
        """Normalise the stain of a fitted cell, (size, size, 3) uint8."""
        return fitted if self.stain is None else self.stain.apply(fitted)

    def prepare(self, image: Pixels) -> Pixels:
        """Fit an image (H, W, 3) uint8 and normalise its stain: (size, size, 3) uint8."""
        return self.normalize(fit_image(image, self.geometry))
