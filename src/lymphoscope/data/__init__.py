"""Cells before a model sees them: sources, manifests, audit, splits, leak checks and images. Needs no torch."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
