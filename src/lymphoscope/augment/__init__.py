"""What changes the images of a batch before the network sees them."""

from lymphoscope.augment.base import BaseAugmentation, BaseAugmentationSettings
from lymphoscope.augment.comparison import ImageAugmentation, batch_mixing, image_augmentation
from lymphoscope.augment.mixing import Mixing
from lymphoscope.augment.settings import Comparison, ComparisonSettings

__all__ = [
    "BaseAugmentation",
    "BaseAugmentationSettings",
    "Comparison",
    "ComparisonSettings",
    "ImageAugmentation",
    "Mixing",
    "batch_mixing",
    "image_augmentation",
]
