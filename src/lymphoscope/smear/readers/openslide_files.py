"""NDPI, MRXS and the other formats that OpenSlide reads, where the user has installed it."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lymphoscope.errors import LymphoscopeError, one_line
from lymphoscope.smear.readers.pyramid import PyramidSlide
from lymphoscope.smear.readers.registry import Reader
from lymphoscope.smear.readers.slide import Pixels, UnreadableRegion, plausible_scale

_SUFFIXES = (".ndpi", ".mrxs", ".vms", ".vmu", ".scn", ".bif", ".svslide")


class OpenSlideField(PyramidSlide):
    """A slide that OpenSlide reads."""

    def __init__(self, path: Path) -> None:
        import openslide

        self._fault = openslide.OpenSlideError
        try:
            self._file: Any = openslide.OpenSlide(path)
        except (openslide.OpenSlideError, OSError) as error:
            raise LymphoscopeError(f"{path} cannot be read by OpenSlide: {one_line(error)}") from error
        self.width, self.height = self._file.dimensions
        self.microns_per_pixel = plausible_scale(_number(self._file.properties.get("openslide.mpp-x")))
        self.slide = path.stem
        self.subject: str | None = None

    def _read_level(self, corner: tuple[int, int], level: int, size: tuple[int, int]) -> Pixels:
        try:
            region = self._file.read_region(corner, level, size)
        except (self._fault, OSError) as error:
            raise UnreadableRegion(f"a tile cannot be decoded: {one_line(error)}") from error
        white = Image.new("RGB", region.size, (255, 255, 255))
        white.paste(region, mask=region.getchannel("A"))
        return np.asarray(white)


def _number(text: object) -> float | None:
    try:
        return float(str(text))
    except ValueError:
        return None


READER = Reader(
    name="openslide",
    title="NDPI, MRXS and similar slides",
    order=30,
    suffixes=_SUFFIXES,
    recognises=lambda path: path.is_file() and path.suffix.lower() in _SUFFIXES,
    open=OpenSlideField,
    module="openslide",
    install="pip install 'lymphoscope[openslide]'",
)
