from .thumbnails import Thumbnails as Thumbnails
from .tiles import Pyramids as Pyramids

__all__ = ["Pyramids", "Thumbnails"]
