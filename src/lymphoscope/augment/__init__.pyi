from .base import BaseAugmentation as BaseAugmentation, BaseAugmentationSettings as BaseAugmentationSettings
from .comparison_methods import (
    ImageAugmentation as ImageAugmentation,
    batch_mixing as batch_mixing,
    image_augmentation as image_augmentation,
)
from .mixing import Mixing as Mixing
from .settings import Comparison as Comparison, ComparisonSettings as ComparisonSettings

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
