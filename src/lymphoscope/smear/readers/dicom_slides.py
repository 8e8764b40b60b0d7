"""DICOM whole-slide images (VL Whole Slide Microscopy), by wsidicom: a folder of instances, or one file."""

from pathlib import Path
from typing import Any

import numpy as np

from lymphoscope.errors import LymphoscopeError, one_line
from lymphoscope.smear.readers.pyramid import PyramidSlide, size_on_level
from lymphoscope.smear.readers.registry import Reader
from lymphoscope.smear.readers.slide import Pixels, UnreadableRegion, plausible_scale, shrunk_to

_FAULTS = (OSError, ValueError, TypeError, LookupError, RuntimeError, NotImplementedError, AttributeError)


class DicomField(PyramidSlide):
    """A slide that wsidicom reads. Slide and subject are its container and patient identifiers."""

    def __init__(self, path: Path) -> None:
        if path.is_file() and not _is_dicom(path):
            raise LymphoscopeError(f"{path} cannot be read as a DICOM slide: it is not a DICOM file")
        import wsidicom
        from wsidicom.errors import WsiDicomError

        self._faults = (WsiDicomError, *_FAULTS)
        try:
            self._file: Any = wsidicom.WsiDicom.open(path)
            self.width, self.height = self._file.size.width, self._file.size.height
            scale, metadata = self._file.mpp.width, self._file.metadata
        except self._faults as error:
            raise LymphoscopeError(f"{path} cannot be read as a DICOM slide: {one_line(error, 160)}") from error
        self.microns_per_pixel = plausible_scale(scale)
        self.slide = getattr(metadata.slide, "identifier", None) or path.stem
        self.subject = getattr(metadata.patient, "identifier", None)

    def read_shrunk(self, x: int, y: int, width: int, height: int, factor: int) -> Pixels:
        """Read a region at 1 / `factor` of its size, from the level of the pyramid that fits."""
        levels = [int(level.level) for level in self._file.pyramid if 2 ** int(level.level) <= factor]
        level = max(levels, default=0)
        step = 2**level
        region = self._read_level((x // step, y // step), level, size_on_level(width, height, step))
        return shrunk_to(region, width, height, factor)

    def _read_level(self, corner: tuple[int, int], level: int, size: tuple[int, int]) -> Pixels:
        try:
            region = self._file.read_region(corner, level, size)
        except self._faults as error:
            raise UnreadableRegion(f"a frame cannot be decoded: {one_line(error, 160)}") from error
        return np.asarray(region.convert("RGB"))


def _is_dicom(path: Path) -> bool:
    """Whether the mark of DICOM files follows their preamble of 128 bytes."""
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _recognises(path: Path) -> bool:
    if path.is_dir():
        return any(path.glob("*.dcm"))
    return path.is_file() and path.suffix.lower() == ".dcm"


READER = Reader(
    name="dicom",
    title="DICOM slides",
    order=10,
    suffixes=(".dcm",),
    recognises=_recognises,
    open=DicomField,
    module="wsidicom",
    install="pip install 'lymphoscope[slides]'",
)
