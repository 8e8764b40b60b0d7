from .registry import (
    Reader as Reader,
    open_slide as open_slide,
    reader_of as reader_of,
    readers as readers,
    slide_suffixes as slide_suffixes,
)
from .slide import Pixels as Pixels, Slide as Slide, UnreadableRegion as UnreadableRegion

__all__ = [
    "Pixels",
    "Reader",
    "Slide",
    "UnreadableRegion",
    "open_slide",
    "reader_of",
    "readers",
    "slide_suffixes",
]
