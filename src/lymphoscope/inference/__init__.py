"""Inference: a trained model in use. Cells in; predictions and their explanations out, on any runtime."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
