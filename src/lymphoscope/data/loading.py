"""Cells by index, prepared for the network: decoded in threads, once, as far as memory allows."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from lymphoscope.data.images import UnreadableImage, decoded_image
from lymphoscope.data.preparation import CellPreparation
from lymphoscope.progress import tracked

Pixels = NDArray[np.uint8]

DEFAULT_CACHE_BYTES = 2 * 1024**3
"""Memory for decoded cells: 7,900 cells of 300 x 300 pixels."""


class CellImages(Sequence[Pixels]):
    """Cells as (size, size, 3) uint8 RGB, by their index in `paths`.

    `preload` decodes each file once and caches the first `capacity` of them, as many as fit in `cache_bytes`; the
    others are decoded on access. `errors` maps the index of every file that could not be read so far to its fault.
    Forked workers share the cache. A pickled copy (spawn) has none and decodes on access, so that no worker holds the
    memory a second time; `[i]` returns the same pixels in every case.
    """

    def __init__(
        self, paths: Sequence[str | Path], preparation: CellPreparation, cache_bytes: int = DEFAULT_CACHE_BYTES
    ) -> None:
        self.paths = [str(path) for path in paths]
        self.preparation = preparation
        self.capacity = min(len(self.paths), max(cache_bytes, 0) // (3 * preparation.geometry.size**2))
        self.errors: dict[int, str] = {}
        self._cache: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> Pixels: ...
    @overload
    def __getitem__(self, index: slice) -> list[Pixels]: ...
    def __getitem__(self, index: int | slice) -> Pixels | list[Pixels]:
        """Return a copy of one cell, (size, size, 3) uint8. Raises UnreadableImage."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        if index in self.errors:
            raise UnreadableImage(self.paths[index], self.errors[index])
        if self._cache is not None and index < self.capacity:
            return np.array(self._cache[index])
        return self._decode(index)

    def preload(self, workers: int | None = None) -> "CellImages":
        """Decode every file once in `workers` threads (default: one per processor), fill the cache and `errors`."""
        size = self.preparation.geometry.size
        cache = np.zeros((self.capacity, size, size, 3), dtype=np.uint8)

        def load(index: int) -> None:
            try:
                pixels = self._decode(index)
            except UnreadableImage:
                return
            if index < self.capacity:
                cache[index] = pixels

        with ThreadPoolExecutor(workers or cpu_count() or 1) as pool:
            for _ in tracked(pool.map(load, range(len(self))), "reading cells", len(self)):
                pass
        self.errors = dict(sorted(self.errors.items()))
        self._cache = cache
        return self

    def _decode(self, index: int) -> Pixels:
        try:
            with decoded_image(self.paths[index]) as image:
                return self.preparation.prepare(image)
        except UnreadableImage as error:
            self.errors[index] = error.reason
            raise

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cache": None}
