"""Recipes and their training: the two passes, the optimiser, checkpoints that a killed run goes on from."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
