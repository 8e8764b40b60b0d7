"""Which cells a person must review: reasons, calibration, score band, out-of-distribution scores, and the rule."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
