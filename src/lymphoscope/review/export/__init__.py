"""Exports of a reviewed case: one file per format, in `formats/`."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
