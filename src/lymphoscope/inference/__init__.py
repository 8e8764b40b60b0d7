"""A trained model in use: cells in, predictions and their explanations out, whatever the runtime."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
