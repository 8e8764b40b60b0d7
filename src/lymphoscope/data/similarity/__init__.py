"""Which images show the same cell: perceptual hashes, fingerprints, near duplicates, leaks between sets of cells."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
