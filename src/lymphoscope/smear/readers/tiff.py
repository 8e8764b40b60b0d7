"""Pyramidal and tiled TIFF, and SVS, by tiffslide: read by region, whatever their size."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lymphoscope.data.images import MAX_PIXELS
from lymphoscope.errors import LymphoscopeError, one_line
from lymphoscope.smear.readers.pyramid import PyramidSlide
from lymphoscope.smear.readers.registry import Reader
from lymphoscope.smear.readers.slide import Pixels, UnreadableRegion, plausible_scale

_SUFFIXES = (".svs", ".tif", ".tiff", ".btf")
_TILE_WIDTH_TAG = 322
# What tifffile and zarr raise for files and tiles that are damaged.
_FAULTS = (OSError, ValueError, TypeError, LookupError, RuntimeError, AttributeError)


class TiffField(PyramidSlide):
    """A slide that tiffslide reads."""

    def __init__(self, path: Path) -> None:
        import tiffslide

        try:
            self._file: Any = tiffslide.TiffSlide(path)
            self.width, self.height = (int(side) for side in self._file.dimensions)
            properties = self._file.properties
        except _FAULTS as error:
            raise LymphoscopeError(f"{path} cannot be read as a TIFF slide: {one_line(error, 160)}") from error
        self.microns_per_pixel = plausible_scale(properties.get("tiffslide.mpp-x"))
        self.slide = path.stem
        self.subject: str | None = None

    def _read_level(self, corner: tuple[int, int], level: int, size: tuple[int, int]) -> Pixels:
        try:
            region = self._file.read_region(corner, level, size, as_array=True)
        except _FAULTS as error:
            raise UnreadableRegion(f"a tile cannot be decoded: {one_line(error, 160)}") from error
        return _as_rgb(np.asarray(region))


def _as_rgb(region: "np.ndarray[Any, Any]") -> Pixels:
    if region.dtype == np.uint16:
        region = (region >> 8).astype(np.uint8)
    if region.dtype != np.uint8:
        raise UnreadableRegion(f"samples of type {region.dtype}: save the slide with 8 or 16 bits")
    if region.ndim == 2:
        region = region[:, :, None]
    return np.ascontiguousarray(region[:, :, :3] if region.shape[2] >= 3 else np.repeat(region[:, :, :1], 3, axis=2))


def _recognises(path: Path) -> bool:
    """Whether a TIFF is tiled, pyramidal or too large to be decoded as a whole; SVS always is."""
    if not path.is_file() or path.suffix.lower() not in _SUFFIXES:
        return False
    if path.suffix.lower() == ".svs":
        return True
    try:
        with Image.open(path) as image:
            tags = getattr(image, "tag_v2", {})
            return _TILE_WIDTH_TAG in tags or image.size[0] * image.size[1] > MAX_PIXELS
    except (OSError, SyntaxError, ValueError, TypeError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return True  # a compression that Pillow does not know, or a huge image


READER = Reader(
    name="tiff",
    title="tiled TIFF and SVS slides",
    order=20,
    suffixes=_SUFFIXES,
    recognises=_recognises,
    open=TiffField,
    module="tiffslide",
    install="pip install 'lymphoscope[slides]'",
)
