"""The base augmentation of the paper, and the augmentations that it compares WT-DFN with."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
