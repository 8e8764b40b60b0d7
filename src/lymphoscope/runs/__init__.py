"""Whole runs: train and evaluate, cross-validate, score, demo. What the commands do, without their options."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
