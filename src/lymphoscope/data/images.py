"""Read an image file as 8-bit RGB pixels, or say in one line what is wrong with it."""

import os
import struct
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from lymphoscope.errors import LymphoscopeError
from lymphoscope.progress import tracked

T = TypeVar("T")
Pixels = NDArray[np.uint8]

MAX_PIXELS = 64_000_000
"""Pixels of the largest image that is decoded: stops a decompression bomb, allows a 60-megapixel camera field."""
MIN_SIDE = 16
"""Pixels of the shorter side of the smallest image: a smaller cell shows nothing."""

# Listed one by one: Pillow would also try formats that start other programs (EPS), and importing the plugins here
# registers them before several threads need them.
_FORMATS = (
    BmpImagePlugin.BmpImageFile.format,
    PngImagePlugin.PngImageFile.format,
    JpegImagePlugin.JpegImageFile.format,
    TiffImagePlugin.TiffImageFile.format,
    WebPImagePlugin.WebPImageFile.format,
    Jpeg2KImagePlugin.Jpeg2KImageFile.format,
    GifImagePlugin.GifImageFile.format,
    PpmImagePlugin.PpmImageFile.format,
)
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# What Pillow's decoders raise for broken bytes; UserWarning where a caller has turned warnings into errors.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
    UserWarning,
)


class UnreadableImage(LymphoscopeError):  # noqa: N818 - named for how it reads where it is caught
    """An image that cannot be used: `reason` is the fault in one line, `path` the file."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = Path(path)
        self.reason = " ".join(reason.split())

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def read_image(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Read an image as (H, W, 3) uint8 RGB: the first frame, without orientation tags and colour profiles.

    16-bit grey is divided by 257 and 16-bit RGB cut to its high byte, as the mode of the file says, whatever the
    range of its values; transparency is laid over black. Peak memory is about 8 bytes per pixel, at most
    8 * `max_pixels`. Raises UnreadableImage: missing, empty, not an image, truncated, more than `max_pixels`, a side
    below 16 pixels, 32-bit samples (their range is unknown).
    """
    path = Path(path)
    _check_file(path)
    try:
        with Image.open(path, formats=_FORMATS) as image:
            _check_size(path, image.size, max_pixels)
            return _to_rgb(path, image)
    except _BOMBS as error:
        raise UnreadableImage(path, f"more than {max_pixels} pixels, refused as a decompression bomb") from error
    except UnidentifiedImageError as error:
        raise UnreadableImage(path, "not an image in a supported format") from error
    except _DECODER_ERRORS as error:
        raise UnreadableImage(path, _reason(error)) from error


def _reason(error: Exception) -> str:
    """Return what the system says if it refused to read the file; otherwise its bytes are at fault."""
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return error.strerror
    return f"truncated or damaged: {error}"


def image_pixels(image: Image.Image, name: str | Path = "image", *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Convert an open Pillow image to (H, W, 3) uint8 RGB, as `read_image` does; `name` is for the error."""
    _check_size(Path(name), image.size, max_pixels)
    return _to_rgb(Path(name), image)


def map_in_threads(function: Callable[[str], T], paths: Sequence[str], task: str) -> list[T]:
    """Apply `function` to every path in one thread per processor, in order, with progress shown as `task`."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(tracked(pool.map(function, paths), task, len(paths)))


def grey_of(pixels: Pixels) -> Pixels:
    """Convert (H, W, 3) uint8 RGB to (H, W) luma."""
    return np.asarray(Image.fromarray(pixels).convert("L"))


def border_of(values: NDArray[Any]) -> NDArray[Any]:
    """Concatenate the outermost rows and columns of (H, W)."""
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def _check_file(path: Path) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UnreadableImage(path, error.strerror or "cannot be opened") from error
    except ValueError as error:
        raise UnreadableImage(path, f"not a file name: {error}") from error
    if not path.is_file():
        raise UnreadableImage(path, "not a file")
    if size == 0:
        raise UnreadableImage(path, "empty file")


def _check_size(path: Path, size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        limit = f"more than {max_pixels} pixels, refused as a decompression bomb"
        raise UnreadableImage(path, f"{width}x{height}: {limit}")
    if min(size) < MIN_SIDE:
        raise UnreadableImage(path, f"{width}x{height}: smaller than {MIN_SIDE} pixels on a side")


def _to_rgb(path: Path, image: Image.Image) -> Pixels:
    if image.mode.startswith("I;16"):
        return _from_16_bit_grey(np.asarray(image))
    if image.mode in ("I", "F"):
        raise UnreadableImage(path, "32-bit samples of unknown range: save it with 8 or 16 bits")
    if image.has_transparency_data:
        return _over_black(image.convert("RGBA"))
    return np.array(image.convert("RGB"))


def _from_16_bit_grey(grey: NDArray[np.uint16]) -> Pixels:
    # 65535 / 255 = 257; half a step is added so that it rounds.
    eight = ((grey.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.repeat(eight[:, :, None], 3, axis=2)


def _over_black(image: Image.Image) -> Pixels:
    black = Image.new("RGB", image.size)
    black.paste(image, mask=image.getchannel("A"))
    return np.array(black)
