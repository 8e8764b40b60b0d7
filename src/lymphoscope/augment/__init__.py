"""What changes the images of a batch before the network sees them."""

from lymphoscope.augment.base import BaseAugmentation, BaseAugmentationSettings
from lymphoscope.augment.settings import Comparison, ComparisonSettings

__all__ = ["BaseAugmentation", "BaseAugmentationSettings", "Comparison", "ComparisonSettings"]
