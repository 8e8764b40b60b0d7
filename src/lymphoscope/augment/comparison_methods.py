"""The registry of the augmentations that WT-DFN is compared with (Table 1), by name.

To add one, write its class, its name and its settings in `settings.py`, and one line in a table below.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torchvision.transforms import v2

from lymphoscope.augment.mixing import Mixing, cut_mix, mix_up
from lymphoscope.augment.occlusion import CutOut, GridMask, RandomErasing
from lymphoscope.augment.random_numbers import Seed, seeded_torch
from lymphoscope.augment.settings import Comparison, ComparisonSettings

_LIBRARY_STREAM = 1


class ImageAugmentation(Protocol):
    """Changes one image, depending on a seed only."""

    def augment(self, image: Tensor, seed: Seed, /) -> Tensor:
        """(3, H, W) uint8 -> (3, H, W) uint8."""


class LibraryAugmentation:
    """A torchvision transform of one image, whose draws depend on a seed only."""

    def __init__(self, transform: Callable[[Tensor], Tensor]) -> None:
        self.transform = transform

    def augment(self, image: Tensor, seed: Seed) -> Tensor:
        """(3, H, W) uint8 -> (3, H, W) uint8."""
        with seeded_torch(seed, _LIBRARY_STREAM):
            return self.transform(image)


def rand_augment(settings: ComparisonSettings, _fill: Tensor) -> LibraryAugmentation:
    """Create RandAugment (Cubuk et al. 2020): a few random operations of a fixed magnitude."""
    operations, magnitude = settings.rand_augment_operations, settings.rand_augment_magnitude
    return LibraryAugmentation(v2.RandAugment(operations, magnitude, interpolation=v2.InterpolationMode.BILINEAR))


def aug_mix(settings: ComparisonSettings, _fill: Tensor) -> LibraryAugmentation:
    """Create AugMix (Hendrycks et al. 2020): an image mixed with chains of operations on it.

    The paper's operations: without brightness, contrast, colour and sharpness.
    """
    severity, chains, alpha = settings.aug_mix_severity, settings.aug_mix_chains, settings.aug_mix_alpha
    bilinear = v2.InterpolationMode.BILINEAR
    return LibraryAugmentation(v2.AugMix(severity, chains, alpha=alpha, all_ops=False, interpolation=bilinear))


IMAGE_AUGMENTATIONS: Mapping[Comparison, Callable[[ComparisonSettings, Tensor], ImageAugmentation]] = {
    "random_erasing": RandomErasing,
    "rand_augment": rand_augment,
    "aug_mix": aug_mix,
    "cut_out": CutOut,
    "grid_mask": GridMask,
}
BATCH_MIXINGS: Mapping[Comparison, Callable[[ComparisonSettings, int], Mixing]] = {
    "mix_up": mix_up,
    "cut_mix": cut_mix,
}


def image_augmentation(
    name: Comparison, settings: ComparisonSettings, mean: Sequence[float]
) -> ImageAugmentation | None:
    """Create the augmentation of a name that changes one image at a time; None for other names.

    Hidden pixels get the colour `mean` (RGB, 0-1), which is the zero of the papers after normalisation; those of Random
    Erasing only with `random_erasing_fill: mean`.
    """
    create = IMAGE_AUGMENTATIONS.get(name)
    return create and create(settings, (torch.tensor(mean) * 255.0).round().to(torch.uint8))


def batch_mixing(name: Comparison, settings: ComparisonSettings, num_classes: int) -> Mixing | None:
    """Create MixUp or CutMix, which mix the images of a batch and their labels; None for other names."""
    create = BATCH_MIXINGS.get(name)
    return create and create(settings, num_classes)
