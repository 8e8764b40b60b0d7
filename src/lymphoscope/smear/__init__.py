"""From fields of view or a whole slide to a differential count: read, detect, prepare, classify, count."""

import lazy_loader as lazy

from lymphoscope.smear.entry import make_callable as _make_callable

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
_make_callable(__name__)
