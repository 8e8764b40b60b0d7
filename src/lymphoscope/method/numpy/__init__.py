"""Crop, erase and vote in NumPy, for the runtimes without torch. Each module names its torch twin."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
