"""What people do with a case. Every function appends its event in the transaction of its session."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
