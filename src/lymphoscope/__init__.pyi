from lymphoscope.inference.model import load as load

__version__: str
__all__ = ["__version__", "load"]
