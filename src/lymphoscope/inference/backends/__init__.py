"""The runtimes: libraries that compute a network, one module and one registry entry each, behind one protocol."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
