"""Name -> the augmentation that WT-DFN is compared with (Table 1)."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from lymphoscope.augment.draws import Seed
from lymphoscope.augment.library import aug_mix, rand_augment
from lymphoscope.augment.mixing import Mixing, cut_mix, mix_up
from lymphoscope.augment.occlusion import CutOut, GridMask, RandomErasing
from lymphoscope.augment.settings import Comparison, ComparisonSettings


class ImageAugmentation(Protocol):
    """What changes one image, by a seed alone."""

    def augment(self, image: Tensor, seed: Seed, /) -> Tensor:
        """(3, H, W) uint8 -> (3, H, W) uint8."""


def image_augmentation(
    name: Comparison, settings: ComparisonSettings, mean: Sequence[float]
) -> ImageAugmentation | None:
    """The augmentation of a name that changes one image at a time, or None for the others.

    What CutOut and GridMask paint over gets the colour `mean` (RGB, 0-1): after normalisation, the papers' zero. Random
    Erasing's does where it is told to.
    """
    fill = (torch.tensor(mean) * 255.0).round().to(torch.uint8)
    match name:
        case "random_erasing":
            return RandomErasing(settings, fill)
        case "rand_augment":
            return rand_augment(settings)
        case "aug_mix":
            return aug_mix(settings)
        case "cut_out":
            return CutOut(settings, fill)
        case "grid_mask":
            return GridMask(settings, fill)
        case _:
            return None


def batch_mixing(name: Comparison, settings: ComparisonSettings, num_classes: int) -> Mixing | None:
    """MixUp or CutMix, which mix the images of a batch and their labels, or None for the others."""
    if name == "mix_up":
        return mix_up(settings, num_classes)
    return cut_mix(settings, num_classes) if name == "cut_mix" else None
