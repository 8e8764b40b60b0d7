"""Read an image file as 8-bit RGB pixels, or say in one line what is wrong with it."""

import logging
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageOps,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from lymphoscope.data.decoding import (
    MAX_FILE_BYTES,
    MAX_SECONDS,
    DecodingTimeError,
    PixelBudget,
    TimedFile,
    pages_fault,
    scans_fault,
    tiles_fault,
)
from lymphoscope.data.dicom import DicomError, dicom_pixels, is_compressed, open_dicom
from lymphoscope.data.image_files import is_dicom_header
from lymphoscope.errors import LymphoscopeError, one_line
from lymphoscope.progress import tracked

T = TypeVar("T")
Pixels = NDArray[np.uint8]

MAX_PIXELS = 64_000_000
"""Pixels of the largest image that is decoded: stops a decompression bomb, allows a 60-megapixel camera field."""
MAX_SLOW_PIXELS = 12_000_000
"""The same for JPEG 2000 and compressed DICOM: a megapixel of lossless noise took JPEG 2000 0.4 s of processor time,
PNG 0.015 s and AVIF 0.04 s."""
BYTES_PER_PIXEL = 24
"""Peak memory of decoding, at most: 11 bytes per pixel of grey to 22 of WebP were measured."""
MIN_SIDE = 16
"""Pixels of the shorter side of the smallest image: a smaller cell shows nothing."""

# Listed one by one: Pillow would also try formats that start other programs (EPS), and importing the plugins here
# registers them before several threads need them.
_FORMATS = (
    BmpImagePlugin.BmpImageFile.format,
    BmpImagePlugin.DibImageFile.format,
    PngImagePlugin.PngImageFile.format,
    JpegImagePlugin.JpegImageFile.format,
    TiffImagePlugin.TiffImageFile.format,
    WebPImagePlugin.WebPImageFile.format,
    Jpeg2KImagePlugin.Jpeg2KImageFile.format,
    GifImagePlugin.GifImageFile.format,
    PpmImagePlugin.PpmImageFile.format,
    AvifImagePlugin.AvifImageFile.format,
)
_ORIENTATION = 274
_BUDGET = PixelBudget(MAX_PIXELS)
# Blocks of this size go back to the system when an image is freed. Pillow's usual 16 MB stay with the thread that used
# them, so that memory would grow with the number of readers: 1.7 GB for six of them, in place of 0.9.
Image.core.set_block_size(64 * 1024**2)  # type: ignore[attr-defined]
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# What Pillow's decoders raise for broken bytes; UserWarning where a caller has turned warnings into errors.
_DARKEST_16_BIT = 17
"""Value, of 8 bits, from which a 16-bit image uses more than 12 of its bits: 4,095 becomes 16."""
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
        self.reason = one_line(reason)

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def read_image(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Read an image as (H, W, 3) uint8 RGB: the first frame, turned as its EXIF orientation says, in every format.

    16-bit grey is divided by 257 and 16-bit RGB cut to its high byte, as the mode of the file says, whatever the
    range of its values (12 bits in 16 are logged once); transparency is laid over black; colour profiles are ignored.
    Raises UnreadableImage: missing, empty, not an image, truncated, more than `max_pixels` (of JPEG 2000 more than
    12,000,000, because it decodes slowly), more than the memory has, a side below 16 pixels, 32-bit samples (their
    range is unknown), several pages that are not a pyramid, a JPEG of more than 32 scans, a TIFF of more than 200,000
    tiles, a file of more than a gigabyte or 30 seconds of processor time, DICOM of several frames or without pydicom.
    """
    with decoded_image(path, max_pixels=max_pixels) as pixels:
        return pixels


@contextmanager
def decoded_image(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> Iterator[Pixels]:
    """Yield the pixels of `read_image`, which count until the end of the context against one bound over all threads.

    All images that are being decoded or held have at most MAX_PIXELS pixels together, that is 24 * 64,000,000 bytes;
    a thread waits for its turn.
    """
    path = Path(path)
    with ExitStack() as held:
        yield _decode(path, max_pixels, held)


def has_few_bits(path: str | Path, pixels: Pixels) -> bool:
    """Return whether the 16-bit samples of a file use 12 bits or fewer, so that its `pixels` are nearly black."""
    if pixels.max(initial=0) >= _DARKEST_16_BIT:
        return False
    try:
        with opened_image(Path(path)) as (image, _):
            return _has_16_bits(image)
    except (*_DECODER_ERRORS, *_BOMBS, UnreadableImage):
        return False


def _decode(path: Path, max_pixels: int, held: ExitStack) -> Pixels:
    _check_file(path)
    try:
        with opened_image(path) as (image, stream):
            _check_size(path, image.size, max_pixels)
            _check_decoding_time(path, image)
            fault = pages_fault(image) or scans_fault(image, stream)
            if fault:
                raise UnreadableImage(path, fault)
            held.enter_context(_BUDGET.reserved(image.width * image.height))
            deep = _has_16_bits(image)  # decoding forgets how the samples of the file were
            pixels = _to_rgb(path, image)
            if deep and pixels.max(initial=0) < _DARKEST_16_BIT:
                _warn_of_few_bits(path)
            return pixels
    except _BOMBS as error:
        raise UnreadableImage(path, f"more than {max_pixels} pixels, refused as a decompression bomb") from error
    except UnidentifiedImageError as error:
        if _is_dicom(path):
            return _decode_dicom(path, max_pixels, held)
        raise UnreadableImage(path, "not an image in a supported format") from error
    except MemoryError as error:
        raise UnreadableImage(path, "does not fit in memory") from error
    except _DECODER_ERRORS as error:
        raise UnreadableImage(path, _reason(error)) from error


@contextmanager
def opened_image(path: Path) -> Iterator[tuple[Image.Image, TimedFile]]:
    """Open an image and its file with a limit of processor time, which holds until the end of the context.

    Raises UnreadableImage: too many tiles, too long; and what Pillow raises for a damaged header.
    """
    with _timed(path) as stream:
        fault = tiles_fault(stream)
        if fault:
            raise UnreadableImage(path, fault)
        with Image.open(stream, formats=_FORMATS) as image:
            yield image, stream


@contextmanager
def _timed(path: Path) -> Iterator[TimedFile]:
    try:
        with TimedFile(path) as stream:
            yield stream
    except DecodingTimeError as error:
        raise UnreadableImage(path, f"takes more than {MAX_SECONDS:.0f} seconds to decode: save it again") from error


def _decode_dicom(path: Path, max_pixels: int, held: ExitStack) -> Pixels:
    try:
        with _timed(path) as stream:
            data = open_dicom(stream)
        size = int(data.Columns), int(data.Rows)
        _check_size(path, size, max_pixels)
        if is_compressed(data) and size[0] * size[1] > MAX_SLOW_PIXELS:
            raise UnreadableImage(path, _slow(size, "compressed DICOM"))
        held.enter_context(_BUDGET.reserved(size[0] * size[1]))
        return dicom_pixels(data)
    except MemoryError as error:
        raise UnreadableImage(path, "does not fit in memory") from error
    except DicomError as error:
        raise UnreadableImage(path, str(error)) from error
    except _DECODER_ERRORS as error:
        raise UnreadableImage(path, _reason(error)) from error


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as stream:
        return is_dicom_header(stream.read(132))


@cache
def _warn_of_few_bits_once() -> list[str]:
    return []


def _warn_of_few_bits(path: Path) -> None:
    """Log once per process, not once per file."""
    warned = _warn_of_few_bits_once()
    if not warned:
        warned.append(str(path))
        logging.getLogger("lymphoscope").warning(
            "16-bit samples that use 12 bits or fewer are read as nearly black: multiply them by 16 before. First: "
            "%s; `lymphoscope data audit` lists all",
            path,
        )


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
    if size > MAX_FILE_BYTES:
        raise UnreadableImage(path, f"{size} bytes, at most {MAX_FILE_BYTES} are read: save it with compression")


def _check_size(path: Path, size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        limit = f"more than {max_pixels} pixels, refused as a decompression bomb"
        raise UnreadableImage(path, f"{width}x{height}: {limit}")
    if min(size) < MIN_SIDE:
        raise UnreadableImage(path, f"{width}x{height}: smaller than {MIN_SIDE} pixels on a side")


def _check_decoding_time(path: Path, image: Image.Image) -> None:
    if image.format == Jpeg2KImagePlugin.Jpeg2KImageFile.format and image.width * image.height > MAX_SLOW_PIXELS:
        raise UnreadableImage(path, _slow(image.size, "JPEG 2000"))


def _slow(size: tuple[int, int], kind: str) -> str:
    limit = f"more than {MAX_SLOW_PIXELS} pixels of {kind}, which take too long to decode"
    return f"{size[0]}x{size[1]}: {limit}: save it as PNG or TIFF"


def _to_rgb(path: Path, image: Image.Image) -> Pixels:
    image = _upright(image)
    if image.mode.startswith("I;16"):
        return _from_16_bit_grey(np.asarray(image))
    if image.mode in ("I", "F"):
        raise UnreadableImage(path, "32-bit samples of unknown range: save it with 8 or 16 bits")
    if image.has_transparency_data:
        return _over_black(image.convert("RGBA"))
    return np.array(image.convert("RGB"))


def _upright(image: Image.Image) -> Image.Image:
    """Turn an image as its EXIF orientation says. A damaged EXIF block says nothing, and is no fault of the pixels."""
    image.load()  # PNG may have its EXIF block after the pixels, and Pillow turns TIFF here
    try:
        turned = image.getexif().get(_ORIENTATION, 1) != 1
        return ImageOps.exif_transpose(image) if turned else image
    except _DECODER_ERRORS:
        return image


def _has_16_bits(image: Image.Image) -> bool:
    """Whether the file has 16-bit samples; those of RGB are known only from how its tiles are decoded."""
    raw_modes = [tile[3][0] if isinstance(tile[3], tuple) else tile[3] for tile in getattr(image, "tile", [])]
    return image.mode.startswith("I;16") or any(";16" in str(mode) for mode in raw_modes)


def _from_16_bit_grey(grey: NDArray[np.uint16]) -> Pixels:
    # 65535 / 255 = 257; half a step is added so that it rounds.
    eight = ((grey.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.repeat(eight[:, :, None], 3, axis=2)


def _over_black(image: Image.Image) -> Pixels:
    black = Image.new("RGB", image.size)
    black.paste(image, mask=image.getchannel("A"))
    return np.array(black)
