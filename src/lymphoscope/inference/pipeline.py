"""Work done ahead in threads, in order, and never further ahead than said.

How many cells at once: measured here, on the runtime in use.

Cells -> rows: files are read, batches computed and rows made at the same time, each a bounded step ahead.
"""

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from os import cpu_count
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lymphoscope.inference.inputs import Cell, ReadCell, read_cell
from lymphoscope.inference.rows import Row, prediction_rows
from lymphoscope.inference.sinks.chunks import TERMS, Chunks
from lymphoscope.inference.ternary import Runtime
from lymphoscope.method.numpy import StreamOutputs

Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetch_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, ahead: int
) -> Iterator[Result]:
    """Yield `function(item)` in the order of the items, computed by `workers` threads.

    At most `ahead` results, finished or not, wait at any moment, so memory does not grow with the number of items.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="reader") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def prefetch(items: Iterator[Item]) -> Iterator[Item]:
    """Yield the items, the next one in the works, in a thread of its own, while the last one is used."""
    with ThreadPoolExecutor(1, thread_name_prefix="compute") as pool:
        end = object()
        coming = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item  # type: ignore[misc]


SIZES = (8, 16, 32, 64)
NEARLY_AS_FAST = 1.03
"""A smaller batch within this of the fastest is taken: it needs less memory."""


def best_batch_size(runtime: Runtime, out: Path | None = None) -> int:
    """The smallest of `SIZES` at which cells take nearly the least time each, timed on random cells.

    An unfinished run beside `out` keeps its own size, so that it can go on.
    """
    begun = _begun_with(out) if out else None
    if begun:
        return begun
    seconds = {size: _seconds_a_cell(runtime, size) for size in SIZES}
    return min(size for size in SIZES if seconds[size] <= NEARLY_AS_FAST * min(seconds.values()))


def _seconds_a_cell(runtime: Runtime, size: int) -> float:
    side = runtime.description.preprocessing.size
    cells = np.random.default_rng(0).integers(0, 256, (size, side, side, 3), dtype=np.uint8)
    runtime.predict(cells)  # the first of a shape prepares
    begun = time.perf_counter()
    runtime.predict(cells)
    return (time.perf_counter() - begun) / size


def _begun_with(out: Path) -> int | None:
    terms = Chunks.folder_of(out) / TERMS
    try:
        return int(json.loads(terms.read_text(encoding="utf-8"))["options"]["batch_size"])
    except (OSError, ValueError, LookupError):
        return None


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
    for batch, read, outputs in prefetch(_computed(runtime, batches, window)):
        yield from prediction_rows(batch, read, outputs, runtime.description)


def read_batches(
    runtime: Runtime, cells: Sequence[Cell], *, batch_size: int, workers: int | None, measured: bool = False
) -> Iterator[Batch]:
    """Yield batches of cells with what was read of them, reading ahead by two batches.

    The pictures are `measured` while they are read, for a model that knows its cells and on request.
    """
    description = runtime.description
    measured = measured or description.referral.ood_reference is not None
    read = partial(read_cell, preparation=description.preprocessing.preparation(), measured=measured)
    paths = (cell.path for cell in cells)
    ahead = prefetch_map(read, paths, workers=workers or default_workers(), ahead=2 * batch_size)
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
