"""RandAugment and AugMix, torchvision's, one image at a time: on a batch it draws one parameter for all."""

from collections.abc import Callable

from torch import Tensor
from torchvision.transforms import v2

from lymphoscope.augment.draws import Seed, drawing_from
from lymphoscope.augment.settings import ComparisonSettings

PURPOSE = 1


class LibraryAugmentation:
    """A torchvision transform of an image whose draws come from a seed alone."""

    def __init__(self, transform: Callable[[Tensor], Tensor]) -> None:
        self.transform = transform

    def augment(self, image: Tensor, seed: Seed) -> Tensor:
        """(3, H, W) uint8 -> (3, H, W) uint8."""
        with drawing_from(seed, PURPOSE):
            return self.transform(image)


def rand_augment(settings: ComparisonSettings) -> LibraryAugmentation:
    """RandAugment (Cubuk et al. 2020): a few operations of a fixed magnitude, chosen at random."""
    operations, magnitude = settings.rand_augment_operations, settings.rand_augment_magnitude
    return LibraryAugmentation(v2.RandAugment(operations, magnitude, interpolation=v2.InterpolationMode.BILINEAR))


def aug_mix(settings: ComparisonSettings) -> LibraryAugmentation:
    """AugMix (Hendrycks et al. 2020): an image mixed with chains of operations on it.

    The paper's operations: without brightness, contrast, colour and sharpness.
    """
    severity, chains, alpha = settings.aug_mix_severity, settings.aug_mix_chains, settings.aug_mix_alpha
    bilinear = v2.InterpolationMode.BILINEAR
    return LibraryAugmentation(v2.AugMix(severity, chains, alpha=alpha, all_ops=False, interpolation=bilinear))
