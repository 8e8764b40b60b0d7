"""Sources of cells: C-NMC folders, one folder per class, a table, a synthetic set. Each module registers one source."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
