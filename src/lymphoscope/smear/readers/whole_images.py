"""Fields as ordinary image files: whatever Pillow reads, decoded as a whole."""

from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from PIL import Image

from lymphoscope.data import IMAGE_SUFFIXES, UnreadableImage, read_image
from lymphoscope.data.images import MAX_PIXELS, opened_image
from lymphoscope.smear.readers.registry import Reader
from lymphoscope.smear.readers.slide import Pixels, UnreadableRegion, plausible_scale, shrunk_to

_MICRONS_PER_INCH = 25_400.0


@dataclass
class ImageField:
    """A field in one image file; its pixels are decoded at the first read and kept."""

    path: Path
    width: int
    height: int
    microns_per_pixel: float | None
    slide: str | None = None
    subject: str | None = None

    def __post_init__(self) -> None:
        self._pixels: Pixels | None = None
        self._lock = Lock()

    def read(self, x: int, y: int, width: int, height: int) -> Pixels:
        """Read a region, (height, width, 3) uint8 RGB. Raises UnreadableRegion if the file cannot be decoded."""
        with self._lock:
            if self._pixels is None:
                try:
                    self._pixels = read_image(self.path)
                except UnreadableImage as error:
                    raise UnreadableRegion(error.reason) from error
        return self._pixels[y : y + height, x : x + width]

    def read_shrunk(self, x: int, y: int, width: int, height: int, factor: int) -> Pixels:
        """Read a region at 1 / `factor` of its size."""
        return shrunk_to(self.read(x, y, width, height), width, height, factor)

    def close(self) -> None:
        """Drop the pixels."""
        self._pixels = None


def open_image(path: Path) -> ImageField:
    """Open an image file. Raises UnreadableImage, as `read_image` does, for what its header shows."""
    try:
        with opened_image(path) as (image, _):
            width, height = image.size
            dpi = image.info.get("dpi")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
            raise UnreadableImage(path, _too_large()) from error
        read_image(path)  # says what is wrong with it
        raise UnreadableImage(path, str(error)) from error
    if width * height > MAX_PIXELS:
        raise UnreadableImage(path, f"{width}x{height}: {_too_large()}")
    return ImageField(path, width, height, _scale(dpi))


def _too_large() -> str:
    return (
        f"more than {MAX_PIXELS // 1_000_000} megapixels in a file that must be decoded as a whole: save it as a tiled "
        "TIFF, which is read by region"
    )


def _scale(dpi: object) -> float | None:
    """Microns per pixel from dots per inch, where a microscope wrote them."""
    horizontal = dpi[0] if isinstance(dpi, tuple) and dpi else None
    try:
        return plausible_scale(_MICRONS_PER_INCH / float(horizontal))  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return None


READER = Reader(
    name="images",
    title="image files",
    order=90,
    suffixes=IMAGE_SUFFIXES,
    recognises=Path.is_file,
    open=open_image,
)
