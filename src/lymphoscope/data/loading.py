"""Cells by number, fitted to the network's square: decoded in threads, once, as far as memory allows."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from lymphoscope.data.geometry import Geometry, fit_image
from lymphoscope.data.images import UnreadableImage, read_image
from lymphoscope.progress import tracked

Pixels = NDArray[np.uint8]

CACHE_BYTES = 2 * 1024**3
"""Memory for decoded cells unless told otherwise: 7,900 cells at 300 pixels."""


class CellImages(Sequence[Pixels]):
    """Cells as (size, size, 3) uint8, by their place in `paths`.

    `preload` decodes each file once and keeps the first `capacity` of them, as many as fit in `cache_bytes`; others
    are decoded when asked for. `errors` holds the place and the fault of every file that could not be read so far.
    Workers made by fork share the kept cells. A pickled copy (spawn) leaves them behind and decodes when asked,
    so that no worker holds the memory a second time; `[i]` is the same array of pixels in every case.
    """

    def __init__(self, paths: Sequence[str | Path], geometry: Geometry, cache_bytes: int = CACHE_BYTES) -> None:
        self.paths = [str(path) for path in paths]
        self.geometry = geometry
        self.capacity = min(len(self.paths), max(cache_bytes, 0) // (3 * geometry.size**2))
        self.errors: dict[int, str] = {}
        self._cache: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> Pixels: ...
    @overload
    def __getitem__(self, index: slice) -> list[Pixels]: ...
    def __getitem__(self, index: int | slice) -> Pixels | list[Pixels]:
        """One cell, (size, size, 3) uint8, the caller's own copy. Raises UnreadableImage."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        if place in self.errors:
            raise UnreadableImage(self.paths[place], self.errors[place])
        if self._cache is not None and place < self.capacity:
            return np.array(self._cache[place])
        return self._decode(place)

    def preload(self, workers: int | None = None) -> "CellImages":
        """Decode every file once in `workers` threads (default: the processors), keep what fits, fill `errors`."""
        cache = np.zeros((self.capacity, self.geometry.size, self.geometry.size, 3), dtype=np.uint8)

        def keep(place: int) -> None:
            try:
                pixels = self._decode(place)
            except UnreadableImage:
                return
            if place < self.capacity:
                cache[place] = pixels

        with ThreadPoolExecutor(workers or cpu_count() or 1) as pool:
            for _ in tracked(pool.map(keep, range(len(self))), "reading cells", len(self)):
                pass
        self.errors = dict(sorted(self.errors.items()))
        self._cache = cache
        return self

    def _decode(self, place: int) -> Pixels:
        try:
            return fit_image(read_image(self.paths[place]), self.geometry)
        except UnreadableImage as error:
            self.errors[place] = error.reason
            raise

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cache": None}
