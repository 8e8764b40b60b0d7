"""Recipes and training: the two passes, the optimiser, and checkpoints from which a stopped run continues."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
