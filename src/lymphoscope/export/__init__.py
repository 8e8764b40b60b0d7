"""A trained model written for runtimes without torch: the network, or all of Algorithm 1, as one graph."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
