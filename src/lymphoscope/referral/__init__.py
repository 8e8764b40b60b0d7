"""Whether a person must look at a cell: reasons, calibration, score band, out-of-distribution scores, decision."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
