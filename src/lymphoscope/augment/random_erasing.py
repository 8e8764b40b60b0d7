"""Random Erasing (Zhong et al. 2020): a rectangle of random size becomes noise or grey; torchvision's rectangle."""

import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from lymphoscope.augment.draws import Seed, drawing_from
from lymphoscope.augment.settings import ComparisonSettings

PURPOSE = 2
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
        with drawing_from(seed, PURPOSE):
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
