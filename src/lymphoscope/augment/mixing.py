"""MixUp (Zhang et al. 2018) and CutMix (Yun et al. 2019): torchvision's, a pair of images at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.transforms import v2

from lymphoscope.augment.draws import Seed, drawing_from
from lymphoscope.augment.settings import ComparisonSettings

PURPOSE = 5


class Mixing:
    """Mix each image of a batch with the one before it, by a share drawn for that image alone.

    `transform` is torchvision's MixUp or CutMix, which draws one share for all it is given: it is given two.
    """

    def __init__(self, transform: v2.MixUp | v2.CutMix) -> None:
        self.transform = transform

    def mix(
        self, images: Sequence[Tensor], labels: Sequence[int], seeds: Sequence[Seed]
    ) -> list[tuple[Tensor, Tensor]]:
        """Images (3, H, W) uint8 and their classes -> mixed images (3, H, W) uint8 and shares of the classes (K,)."""
        return [
            self._pair(torch.stack((images[place], images[place - 1])), (labels[place], labels[place - 1]), seed)
            for place, seed in enumerate(seeds)
        ]

    def _pair(self, pair: Tensor, labels: tuple[int, int], seed: Seed) -> tuple[Tensor, Tensor]:
        with drawing_from(seed, PURPOSE):
            mixed, shares = self.transform(pair.float(), torch.tensor(labels))
        return mixed[0].round().to(torch.uint8), shares[0]


def mix_up(settings: ComparisonSettings, num_classes: int) -> Mixing:
    """Pictures laid over each other, a * share + b * (1 - share)."""
    return Mixing(v2.MixUp(alpha=settings.mix_up_alpha, num_classes=num_classes))


def cut_mix(settings: ComparisonSettings, num_classes: int) -> Mixing:
    """A rectangle of one picture in another; labels count by area."""
    return Mixing(v2.CutMix(alpha=settings.cut_mix_alpha, num_classes=num_classes))
