"""Export: a trained model written for runtimes without torch, as one graph of the network or of Algorithm 1."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
