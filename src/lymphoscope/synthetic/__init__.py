"""The generator of synthetic smears: cells and fields with known masks, classes that overlap, planted faults."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
