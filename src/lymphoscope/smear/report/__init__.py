"""The page of a smear: the count, the gallery of its cells, its fields, their quality, and its limits."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
