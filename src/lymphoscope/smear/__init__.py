"""From fields and slides to white cells and their count: reading, finding, preparing and counting."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
