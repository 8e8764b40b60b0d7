"""Pixels as JPEG: what a browser gets is always encoded by us, never the bytes of a file that was imported."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

QUALITY = 88


def as_jpeg(pixels: NDArray[np.uint8], quality: int = QUALITY) -> bytes:
    """Encode (H, W, 3) uint8 RGB."""
    return encode(Image.fromarray(np.ascontiguousarray(pixels)), quality)


def encode(image: Image.Image, quality: int = QUALITY) -> bytes:
    """Encode an RGB image."""
    stream = io.BytesIO()
    image.save(stream, format="JPEG", quality=quality)
    return stream.getvalue()
