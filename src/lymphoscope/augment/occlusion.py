"""Augmentations that hide a part of each image: Random Erasing, CutOut and GridMask."""

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from lymphoscope.augment.random_numbers import Seed, generator_for, seeded_torch
from lymphoscope.augment.settings import ComparisonSettings

_RANDOM_ERASING_STREAM, _CUT_OUT_STREAM, _GRID_MASK_STREAM = 2, 3, 4
_ASPECT_RATIOS = (0.3, 1 / 0.3)


class RandomErasing:
    """Erase a rectangle of random size (Zhong et al. 2020).

    Each value in it is drawn uniformly from 0-255 (the paper's RE-R; torchvision's own noise is normal, of floats), or
    is `fill` (RGB, 0-255) if `random_erasing_fill` is `mean`.
    """

    def __init__(self, settings: ComparisonSettings, fill: Tensor) -> None:
        self.fill = None if settings.random_erasing_fill == "noise" else fill.view(3, 1, 1)
        self.probability = settings.random_erasing_probability
        self.rectangle = v2.RandomErasing(p=1.0, scale=settings.random_erasing_area, ratio=_ASPECT_RATIOS)

    def augment(self, image: Tensor, seed: Seed) -> Tensor:
        """(3, H, W) uint8 -> (3, H, W) uint8."""
        with seeded_torch(seed, _RANDOM_ERASING_STREAM):
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


class CutOut:
    """Paint a square in `fill` (RGB, 0-255); its centre may be anywhere in the image (DeVries & Taylor 2017)."""

    def __init__(self, settings: ComparisonSettings, fill: Tensor) -> None:
        self.side, self.fill = settings.cut_out_side, fill.view(3, 1, 1)

    def augment(self, image: Tensor, seed: Seed) -> Tensor:
        """(3, H, W) uint8 -> (3, H, W) uint8."""
        height, width = image.shape[1:]
        top, bottom, left, right = draw_square(height, width, self.side, seed)
        painted = image.clone()
        painted[:, top:bottom, left:right] = self.fill
        return painted


def draw_square(height: int, width: int, side: float, seed: Seed) -> tuple[int, int, int, int]:
    """Return top, bottom, left, right of the square, clipped to the image; its centre is uniform over the pixels."""
    length = max(1, round(side * min(height, width)))
    row, column = generator_for(seed, _CUT_OUT_STREAM).integers((height, width))
    top, left = int(row) - length // 2, int(column) - length // 2
    return max(top, 0), min(top + length, height), max(left, 0), min(left + length, width)


class GridMask:
    """Paint a square in each unit of a grid, in `fill` (RGB, 0-255) (Chen et al. 2020).

    A unit is `grid_mask_unit` of the image side, at a random offset; the square takes 1 - r of the unit's side, with r
    the `grid_mask_ratio`, so that a fraction 1 - (1 - r)^2 of the image is kept (the paper's Eq. 2).
    """

    def __init__(self, settings: ComparisonSettings, fill: Tensor) -> None:
        self.settings, self.fill = settings, fill.view(3, 1, 1)

    def augment(self, image: Tensor, seed: Seed) -> Tensor:
        """(3, H, W) uint8 -> (3, H, W) uint8."""
        settings, generator = self.settings, generator_for(seed, _GRID_MASK_STREAM)
        if generator.random() >= settings.grid_mask_probability:
            return image
        height, width = image.shape[1:]
        low, high = (max(2, round(fraction * min(height, width))) for fraction in settings.grid_mask_unit)
        unit = int(generator.integers(low, high + 1))
        return torch.where(draw_grid(height, width, unit, settings.grid_mask_ratio, generator), self.fill, image)


def draw_grid(height: int, width: int, unit: int, ratio: float, generator: np.random.Generator) -> Tensor:
    """Return a mask (H, W), true where it is painted: units of `unit` pixels at a random offset on each axis."""
    painted = min(max(round((1 - ratio) * unit), 1), unit - 1)
    down, across = generator.integers(unit, size=2).tolist()
    rows = (torch.arange(height) + down) % unit < painted
    columns = (torch.arange(width) + across) % unit < painted
    mask: Tensor = rows[:, None] & columns[None, :]
    return mask
