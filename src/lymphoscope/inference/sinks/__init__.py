"""Where predictions are written, chunk by chunk: a CSV or Parquet file, or a folder of Parquet parts."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
