"""White cells in a field: the detectors behind one protocol. Each module with a detector registers one."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
