"""Name -> feature extractor: timm's models by name, and networks that timm lacks."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
