"""The paper's tables and figures, repeated: our numbers beside the published ones."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
