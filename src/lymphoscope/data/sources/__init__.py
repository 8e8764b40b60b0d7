"""Where cells come from: the C-NMC folders, a folder a class, a table, synthetic smears -> manifest."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
