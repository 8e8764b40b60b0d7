"""CutOut (DeVries & Taylor 2017): a square whose centre may lie anywhere, so that the border clips it.

GridMask (Chen et al. 2020): squares on a grid are painted over.

Random Erasing (Zhong et al. 2020): a rectangle of random size becomes noise or grey; torchvision's rectangle.
"""

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from lymphoscope.augment.draws import Seed, drawing_from, generator_of
from lymphoscope.augment.settings import ComparisonSettings

PURPOSE = 3


class CutOut:
    """Paint over a square of `cut_out_side` of the image's side, in `fill` (RGB, 0-255), in every image."""

    def __init__(self, settings: ComparisonSettings, fill: Tensor) -> None:
        self.side, self.fill = settings.cut_out_side, fill.view(3, 1, 1)

    def augment(self, image: Tensor, seed: Seed) -> Tensor:
        """(3, H, W) uint8 -> (3, H, W) uint8."""
        height, width = image.shape[1:]
        top, bottom, left, right = cut_box(height, width, self.side, seed)
        painted = image.clone()
        painted[:, top:bottom, left:right] = self.fill
        return painted


def cut_box(height: int, width: int, side: float, seed: Seed) -> tuple[int, int, int, int]:
    """Top, bottom, left, right of the square within the image; its centre is drawn evenly over the pixels."""
    length = max(1, round(side * min(height, width)))
    row, column = generator_of(seed, PURPOSE).integers((height, width))
    top, left = int(row) - length // 2, int(column) - length // 2
    return max(top, 0), min(top + length, height), max(left, 0), min(left + length, width)


PURPOSE_of_grid_mask = 4


class GridMask:
    """Paint over a square in each unit of a grid, in `fill` (RGB, 0-255).

    A unit is `grid_mask_unit` of the image's side, its place drawn; the square takes 1 - r of the unit's side, r being
    `grid_mask_ratio`, so that a share 1 - (1 - r)^2 of the picture stays (the paper's Eq. 2).
    """

    def __init__(self, settings: ComparisonSettings, fill: Tensor) -> None:
        self.settings, self.fill = settings, fill.view(3, 1, 1)

    def augment(self, image: Tensor, seed: Seed) -> Tensor:
        """(3, H, W) uint8 -> (3, H, W) uint8."""
        s, rng = self.settings, generator_of(seed, PURPOSE_of_grid_mask)
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


PURPOSE_of_random_erasing = 2
ASPECT = (0.3, 1 / 0.3)


class RandomErasing:
    """Erase a rectangle of `random_erasing_area` of the image, as often as `random_erasing_probability` says.

    Each value in it is drawn evenly from 0-255 (the paper's RE-R; torchvision's own noise is normal, of floats), or is
    `fill` (RGB, 0-255) where `random_erasing_fill` is `mean`.
    """

    def __init__(self, settings: ComparisonSettings, fill: Tensor) -> None:
        self.fill = None if settings.random_erasing_fill == "noise" else fill.view(3, 1, 1)
        self.probability = settings.random_erasing_probability
        self.area = settings.random_erasing_area
        self.rectangle = v2.RandomErasing(p=1.0, scale=settings.random_erasing_area, ratio=ASPECT)

    def augment(self, image: Tensor, seed: Seed) -> Tensor:
        """(3, H, W) uint8 -> (3, H, W) uint8."""
        with drawing_from(seed, PURPOSE_of_random_erasing):
            if torch.rand(()) >= self.probability:
                return image
            drawn = self.rectangle.make_params([image])
            if drawn["v"] is None:  # ten rectangles in a row did not fit
                return image
            patch = self._patch(drawn["h"], drawn["w"])
            erased: Tensor = F.erase(image, drawn["i"], drawn["j"], drawn["h"], drawn["w"], patch)
            return erased

    def _patch(self, height: int, width: int) -> Tensor:
        if self.fill is not None:
            return self.fill.expand(3, height, width)
        return torch.randint(0, 256, (3, height, width), dtype=torch.uint8)
