"""Lymphoscope tells lymphoblasts from other white cells in blood smears. Research software, not a medical device."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
