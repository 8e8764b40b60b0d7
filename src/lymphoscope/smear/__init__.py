"""From fields of view or a whole slide to a differential count: read, detect, prepare, classify, count."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
