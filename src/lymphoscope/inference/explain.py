"""Cells -> what each of the three streams received."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lymphoscope.inference.inputs import Cell, ReadCell
from lymphoscope.inference.pipeline import Batch, read_batches, readable_pixels
from lymphoscope.inference.rows import Row, prediction_rows
from lymphoscope.inference.ternary import Runtime, StreamImages

BATCH_SIZE = 8


@dataclass(frozen=True)
class CellStreams:
    """One cell as the streams received it: S x S pixels, RGB."""

    raw: NDArray[np.uint8]
    """(S, S, 3) the fitted cell."""
    attention: NDArray[np.float32]
    """(S, S) the guide map, 0-1 (Eq. 2)."""
    crop: NDArray[np.uint8]
    """(S, S, 3) the attended box, enlarged (Eq. 3)."""
    erase: NDArray[np.uint8]
    """(S, S, 3) the cell with the attended region erased (Eq. 4)."""
    box: tuple[int, int, int, int]
    """Top, left, bottom, right of the crop in pixels of `raw`, half open."""


@dataclass(frozen=True)
class Explanation:
    """A row of the predictions, and the images behind it; None for a file that could not be read."""

    row: Row
    streams: CellStreams | None


@contextmanager
def explained_cells(
    runtime: Runtime, cells: Sequence[Cell], *, batch_size: int = BATCH_SIZE, workers: int | None = None
) -> Iterator[Iterator[Explanation]]:
    """Yield an iterator over the explanation of each cell, in order, with one batch in memory at a time.

    The iterator raises LymphoscopeError for a model without attention.
    """
    with read_batches(runtime, cells, batch_size=batch_size, workers=workers) as batches:
        yield (explanation for batch in batches for explanation in _explained(runtime, batch))


def _explained(runtime: Runtime, batch: Batch) -> Iterator[Explanation]:
    cells, read = batch
    pixels = readable_pixels(read)
    images = None if pixels is None else runtime.explain(pixels)
    rows = prediction_rows(cells, read, images.outputs if images else None, runtime.description)
    return map(Explanation, rows, _streams(read, images))


def _streams(read: Sequence[ReadCell], images: StreamImages | None) -> Iterator[CellStreams | None]:
    index = 0
    for cell in read:
        if cell.pixels is None or images is None:
            yield None
            continue
        top, left, bottom, right = images.boxes[index].tolist()
        box = (top, left, bottom, right)
        yield CellStreams(cell.pixels, images.maps[index], images.crops[index], images.erased[index], box)
        index += 1
