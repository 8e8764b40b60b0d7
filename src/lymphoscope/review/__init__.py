"""The web application in which people correct the cells of a smear, sign the count, and export it."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
