"""GridMask (Chen et al. 2020): squares on a grid are painted over."""

import numpy as np
import torch
from torch import Tensor

from lymphoscope.augment.draws import Seed, generator_of
from lymphoscope.augment.settings import ComparisonSettings

PURPOSE = 4


class GridMask:
    """Paint over a square in each unit of a grid, in `fill` (RGB, 0-255).

    A unit is `grid_mask_unit` of the image's side, its place drawn; the square takes 1 - r of the unit's side, r being
    `grid_mask_ratio`, so that a share 1 - (1 - r)^2 of the picture stays (the paper's Eq. 2).
    """

    def __init__(self, settings: ComparisonSettings, fill: Tensor) -> None:
        self.settings, self.fill = settings, fill.view(3, 1, 1)

    def augment(self, image: Tensor, seed: Seed) -> Tensor:
        """(3, H, W) uint8 -> (3, H, W) uint8."""
        s, rng = self.settings, generator_of(seed, PURPOSE)
        if rng.random() >= s.grid_mask_probability:
            return image
        height, width = image.shape[1:]
        low, high = (max(2, round(share * min(height, width))) for share in s.grid_mask_unit)
        unit = int(rng.integers(low, high + 1))
        return torch.where(grid(height, width, unit, s.grid_mask_ratio, rng), self.fill, image)


def grid(height: int, width: int, unit: int, ratio: float, rng: np.random.Generator) -> Tensor:
    """Mask (H, W), true where it is painted: units of `unit` pixels, shifted by a draw on each axis."""
    painted = min(max(round((1 - ratio) * unit), 1), unit - 1)
    down, across = rng.integers(unit, size=2).tolist()
    rows = (torch.arange(height) + down) % unit < painted
    columns = (torch.arange(width) + across) % unit < painted
    mask: Tensor = rows[:, None] & columns[None, :]
    return mask
