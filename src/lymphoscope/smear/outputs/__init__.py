"""The files of a results folder that are written cell by cell: table, thumbnails, GeoJSON, COCO."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
