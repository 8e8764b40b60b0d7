"""Cells -> rows: files are read, batches computed and rows made at the same time, each a bounded step ahead."""

from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from os import cpu_count

import numpy as np
from numpy.typing import NDArray

from lymphoscope.inference.ahead import computed_ahead, mapped_ahead
from lymphoscope.inference.cells import Cell
from lymphoscope.inference.read import ReadCell, read_cell
from lymphoscope.inference.rows import Row, prediction_rows
from lymphoscope.inference.runtime import Runtime, StreamOutputs

BATCH_SIZE = 32
WINDOW = 8
"""Batches over which cells that need a third stream are gathered, unless told otherwise."""
MOST_READERS = 4
"""Threads that read unless told otherwise: each may hold one full-size picture."""

Batch = tuple[Sequence[Cell], list[ReadCell]]


def predicted_rows(
    runtime: Runtime,
    cells: Sequence[Cell],
    *,
    batch_size: int = BATCH_SIZE,
    workers: int | None = None,
    window: int = WINDOW,
) -> Iterator[Row]:
    """Yield the row of each cell, in their order. Memory holds a window of fitted cells, however many follow.

    Batches and windows (`window` batches) are cut by place, readable or not, so that going on at a multiple of
    `batch_size` * `window` gives the same numbers.
    """
    batches = read_batches(runtime, cells, batch_size=batch_size, workers=workers)
    for batch, read, outputs in computed_ahead(_computed(runtime, batches, window)):
        yield from prediction_rows(batch, read, outputs, runtime.description)


def read_batches(
    runtime: Runtime, cells: Sequence[Cell], *, batch_size: int, workers: int | None, measured: bool = False
) -> Iterator[Batch]:
    """Yield batches of cells with what was read of them, reading ahead by two batches.

    The pictures are `measured` while they are read, for a model that knows its cells and on request.
    """
    description = runtime.description
    measured = measured or description.familiarity is not None
    read = partial(read_cell, fit=description.preprocessing.as_fit(), measured=measured)
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


def _computed(
    runtime: Runtime, batches: Iterator[Batch], window: int
) -> Iterator[tuple[Sequence[Cell], list[ReadCell], StreamOutputs | None]]:
    # The first batch of a window is taken here, so that a window that never comes is not begun.
    for first in batches:
        waiting: deque[Batch] = deque()
        several = _one_then(first, islice(batches, window - 1))
        for outputs in runtime.predict_batches(_readable(several, waiting)):
            while not any(cell.pixels is not None for cell in waiting[0][1]):
                yield *waiting.popleft(), None
            yield *waiting.popleft(), outputs
        for batch in waiting:  # after the last readable one
            yield *batch, None


def _one_then(first: Batch, others: Iterator[Batch]) -> Iterator[Batch]:
    yield first
    yield from others


def _readable(batches: Iterator[Batch], waiting: deque[Batch]) -> Iterator[NDArray[np.uint8]]:
    """The pixels of each batch that has some; every batch is noted in `waiting`."""
    for batch in batches:
        waiting.append(batch)
        pixels = readable_pixels(batch[1])
        if pixels is not None:
            yield pixels
