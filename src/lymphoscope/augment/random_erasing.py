"""Random Erasing (Zhong et al. 2020): a rectangle of random size becomes noise; torchvision's rectangle."""

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

    Each value in it is drawn evenly from 0-255 (the paper's RE-R): torchvision's own noise is normal, of floats.
    """

    def __init__(self, settings: ComparisonSettings) -> None:
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
            noise = torch.randint(0, 256, (3, drawn["h"], drawn["w"]), dtype=torch.uint8)
            erased: Tensor = F.erase(image, drawn["i"], drawn["j"], drawn["h"], drawn["w"], noise)
            return erased
