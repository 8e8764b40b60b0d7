from .deep_zoom import Pyramids as Pyramids
from .thumbnails import Thumbnails as Thumbnails

__all__ = ["Pyramids", "Thumbnails"]
