"""What changes the images of a batch before the network sees them."""

from lymphoscope.augment.base import BaseAugmentation, BaseAugmentationSettings

__all__ = ["BaseAugmentation", "BaseAugmentationSettings"]
