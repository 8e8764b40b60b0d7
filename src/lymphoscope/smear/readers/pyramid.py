"""What the readers of pyramidal files share: regions of the full resolution, and smaller ones from the best level."""

from abc import ABC, abstractmethod
from typing import Any

from lymphoscope.smear.readers.slide import Pixels, shrunk_to


class PyramidSlide(ABC):
    """A slide in levels, opened by a library with the interface of OpenSlide."""

    _file: Any

    def read(self, x: int, y: int, width: int, height: int) -> Pixels:
        """Read a region, (height, width, 3) uint8 RGB. Raises UnreadableRegion if a part of it is damaged."""
        return self._read_level((x, y), 0, (width, height))

    def read_shrunk(self, x: int, y: int, width: int, height: int, factor: int) -> Pixels:
        """Read a region at 1 / `factor` of its size, from the level of the pyramid that fits."""
        level = self._file.get_best_level_for_downsample(factor)
        size = size_on_level(width, height, self._file.level_downsamples[level])
        return shrunk_to(self._read_level((x, y), level, size), width, height, factor)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @abstractmethod
    def _read_level(self, corner: tuple[int, int], level: int, size: tuple[int, int]) -> Pixels:
        """Read a region of a level; `size` is in its pixels. Raises UnreadableRegion."""


def size_on_level(width: int, height: int, step: float) -> tuple[int, int]:
    """Return the size of a region on a level whose pixels are `step` times as large."""
    return max(round(width / step), 1), max(round(height / step), 1)
