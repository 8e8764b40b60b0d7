"""Cells -> rows, one batch in the works at a time and the next ones being read."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from os import cpu_count

import numpy as np
from numpy.typing import NDArray

from lymphoscope.inference.ahead import mapped_ahead
from lymphoscope.inference.cells import Cell
from lymphoscope.inference.read import ReadCell, read_cell
from lymphoscope.inference.rows import Row, prediction_rows
from lymphoscope.inference.runtime import Runtime

BATCH_SIZE = 32
MOST_READERS = 4
"""Threads that read unless told otherwise: each may hold one full-size picture."""


def predicted_rows(
    runtime: Runtime, cells: Sequence[Cell], *, batch_size: int = BATCH_SIZE, workers: int | None = None
) -> Iterator[Row]:
    """Yield the row of each cell, in their order. Memory holds a few batches of fitted cells, however many follow.

    Batches are cut by place, readable or not, so that going on at a multiple of `batch_size` gives the same numbers.
    """
    for batch, read in read_batches(runtime, cells, batch_size=batch_size, workers=workers):
        pixels = readable_pixels(read)
        outputs = None if pixels is None else runtime.predict(pixels)
        yield from prediction_rows(batch, read, outputs, runtime.description)


def read_batches(
    runtime: Runtime, cells: Sequence[Cell], *, batch_size: int, workers: int | None
) -> Iterator[tuple[Sequence[Cell], list[ReadCell]]]:
    """Yield batches of cells with what was read of them, reading ahead by two batches."""
    read = partial(read_cell, fit=runtime.description.preprocessing.as_fit())
    paths = (cell.path for cell in cells)
    ahead = mapped_ahead(read, paths, workers=workers or default_workers(), ahead=2 * batch_size)
    for start in range(0, len(cells), batch_size):
        batch = cells[start : start + batch_size]
        yield batch, list(islice(ahead, len(batch)))


def readable_pixels(read: Sequence[ReadCell]) -> NDArray[np.uint8] | None:
    """The readable cells of a batch as (B, S, S, 3), None where there is none."""
    pixels = [cell.pixels for cell in read if cell.pixels is not None]
    return np.stack(pixels) if pixels else None


def default_workers() -> int:
    """Threads that read unless told otherwise."""
    return min(MOST_READERS, cpu_count() or 1)
