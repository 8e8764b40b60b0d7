"""The JSON API: one module per kind of thing, each with a `router`."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
