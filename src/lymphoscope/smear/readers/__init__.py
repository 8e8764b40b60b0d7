"""Fields and slides of every format behind one protocol: size, scale, ids, and pixels by region."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
