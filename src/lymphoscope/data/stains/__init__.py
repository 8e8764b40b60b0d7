"""Methods of stain normalisation. Each module registers one; `lymphoscope.data.stain` applies them to cells."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
