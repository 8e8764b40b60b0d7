"""Cells: sources -> manifest -> audit and split -> pixels; and the generator of synthetic smears. No torch."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
