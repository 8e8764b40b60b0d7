"""Whole runs: train, judge, report; cross-validation; the demo. What the commands do, without their words."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
