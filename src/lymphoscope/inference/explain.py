"""Cells -> what the three streams saw of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lymphoscope.inference.inputs import Cell, ReadCell
from lymphoscope.inference.pipeline import read_batches, readable_pixels
from lymphoscope.inference.rows import Row, prediction_rows
from lymphoscope.inference.ternary import Runtime, StreamPictures

BATCH_SIZE = 8


@dataclass(frozen=True)
class CellPictures:
    """One cell as the streams saw it: S x S pixels, RGB."""

    raw: NDArray[np.uint8]
    """(S, S, 3) the fitted cell."""
    attention: NDArray[np.float32]
    """(S, S) the guiding map, 0-1 (Eq. 2)."""
    crop: NDArray[np.uint8]
    """(S, S, 3) the attended box, enlarged (Eq. 3)."""
    erase: NDArray[np.uint8]
    """(S, S, 3) the cell without what was attended to (Eq. 4)."""
    box: tuple[int, int, int, int]
    """Top, left, bottom, right of the crop in pixels of `raw`, half open."""


@dataclass(frozen=True)
class Explanation:
    """A row of the predictions, and the pictures behind it; None for a file that could not be read."""

    row: Row
    pictures: CellPictures | None


def explained_cells(
    runtime: Runtime, cells: Sequence[Cell], *, batch_size: int = BATCH_SIZE, workers: int | None = None
) -> Iterator[Explanation]:
    """Yield the explanation of each cell, in their order, a batch in memory at a time.

    Raises LymphoscopeError for a model without attention.
    """
    for batch, read in read_batches(runtime, cells, batch_size=batch_size, workers=workers):
        pixels = readable_pixels(read)
        seen = None if pixels is None else runtime.explain(pixels)
        rows = prediction_rows(batch, read, seen.outputs if seen else None, runtime.description)
        yield from map(Explanation, rows, _pictures(read, seen))


def _pictures(read: Sequence[ReadCell], seen: StreamPictures | None) -> Iterator[CellPictures | None]:
    place = 0
    for cell in read:
        if cell.pixels is None or seen is None:
            yield None
            continue
        top, left, bottom, right = seen.boxes[place].tolist()
        box = (top, left, bottom, right)
        yield CellPictures(cell.pixels, seen.maps[place], seen.crops[place], seen.erased[place], box)
        place += 1
