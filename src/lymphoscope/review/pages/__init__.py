"""What people see of the review application: pages, images, reports and the demo case."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
