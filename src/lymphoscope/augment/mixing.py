"""MixUp (Zhang et al. 2018) and CutMix (Yun et al. 2019) of torchvision, for one pair of images at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.transforms import v2

from lymphoscope.augment.random_numbers import Seed, seeded_torch
from lymphoscope.augment.settings import ComparisonSettings

_STREAM = 5


class Mixing:
    """Mix each image of a batch with the one before it, by a fraction drawn for that image alone.

    `transform` is torchvision's MixUp or CutMix, which draws one fraction for all images that it gets: it gets two.
    """

    def __init__(self, transform: v2.MixUp | v2.CutMix) -> None:
        self.transform = transform

    def mix(
        self, images: Sequence[Tensor], labels: Sequence[int], seeds: Sequence[Seed]
    ) -> list[tuple[Tensor, Tensor]]:
        """Images (3, H, W) uint8 and their classes -> mixed images (3, H, W) uint8 and class probabilities (K,)."""
        return [
            self._mix_pair(torch.stack((images[index], images[index - 1])), (labels[index], labels[index - 1]), seed)
            for index, seed in enumerate(seeds)
        ]

    def _mix_pair(self, pair: Tensor, labels: tuple[int, int], seed: Seed) -> tuple[Tensor, Tensor]:
        with seeded_torch(seed, _STREAM):
            images, probabilities = self.transform(pair.float(), torch.tensor(labels))
        return images[0].round().to(torch.uint8), probabilities[0]


def mix_up(settings: ComparisonSettings, num_classes: int) -> Mixing:
    """Create MixUp: images and labels a * fraction + b * (1 - fraction)."""
    return Mixing(v2.MixUp(alpha=settings.mix_up_alpha, num_classes=num_classes))


def cut_mix(settings: ComparisonSettings, num_classes: int) -> Mixing:
    """Create CutMix: a rectangle of one image in another; labels count by area."""
    return Mixing(v2.CutMix(alpha=settings.cut_mix_alpha, num_classes=num_classes))
