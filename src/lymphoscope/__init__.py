"""Lymphoscope tells lymphoblasts from other white cells in blood smears. Research software, not a medical device."""

import lazy_loader as lazy

from lymphoscope.privacy import disable_telemetry as _disable_telemetry

_disable_telemetry()  # here, because it must happen before any library is imported

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
