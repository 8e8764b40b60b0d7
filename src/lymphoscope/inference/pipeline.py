"""Cells -> rows: files are read, batches computed and rows made at the same time, each a bounded step ahead.

Everything here that owns threads is a context manager. Leaving it cancels the work ahead and ends the threads, also
when the consumer stops early.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from os import cpu_count
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lymphoscope.inference.inputs import Cell, ReadCell, load_cell
from lymphoscope.inference.rows import Row, prediction_rows
from lymphoscope.inference.sinks.file_sink import unfinished_record
from lymphoscope.inference.ternary import Runtime
from lymphoscope.method.numpy import StreamOutputs

Item = TypeVar("Item")
Result = TypeVar("Result")
Batch = tuple[Sequence[Cell], list[ReadCell]]

BATCH_SIZE = 32
WINDOW = 8
"""Batches over which cells that need a third stream are gathered, by default."""
MAX_READERS = 4
"""Upper limit of the threads that read, by default: each may hold one full-size image."""

BATCH_SIZES = (8, 16, 32, 64)
NEARLY_AS_FAST = 1.03
"""A smaller batch within this factor of the fastest is preferred: it needs less memory."""


@contextmanager
def predicted_rows(
    runtime: Runtime,
    cells: Sequence[Cell],
    *,
    batch_size: int = BATCH_SIZE,
    workers: int | None = None,
    window: int = WINDOW,
    features: bool = False,
) -> Iterator[Iterator[Row]]:
    """Yield an iterator over the row of each cell, in order. Memory holds a window of fitted cells, not all of them.

    With `features`, rows have those of their cells under `FEATURES_KEY`.

    Batches and windows (`window` batches) are cut by position, whether readable or not, so that continuing at a
    multiple of `batch_size` * `window` gives the same numbers.
    """
    with (
        read_batches(runtime, cells, batch_size=batch_size, workers=workers) as batches,
        _closing(_computed_batches(runtime, batches, window)) as computed,
        prefetch(computed) as ahead,
    ):
        yield (
            row
            for batch, read, outputs in ahead
            for row in prediction_rows(batch, read, outputs, runtime.description, features=features)
        )


@contextmanager
def read_batches(
    runtime: Runtime, cells: Sequence[Cell], *, batch_size: int, workers: int | None, measured: bool = False
) -> Iterator[Iterator[Batch]]:
    """Yield an iterator over batches of cells with their images, read ahead by two batches.

    Images are `measured` on request, and for a model that has an out-of-distribution reference.
    """
    description = runtime.description
    measured = measured or description.referral.ood_reference is not None
    read = partial(load_cell, preparation=description.preprocessing.preparation(), measured=measured)
    with prefetch_map(read, cells, workers=workers or default_workers(), buffer_size=2 * batch_size) as images:
        yield (
            (batch, list(islice(images, len(batch))))
            for batch in (cells[start : start + batch_size] for start in range(0, len(cells), batch_size))
        )


def readable_pixels(read: Sequence[ReadCell]) -> NDArray[np.uint8] | None:
    """Return the readable cells of a batch as (B, S, S, 3), None if there are none."""
    pixels = [image.pixels for image in read if image.pixels is not None]
    return np.stack(pixels) if pixels else None


def default_workers() -> int:
    """Return the default number of threads that read files."""
    return min(MAX_READERS, cpu_count() or 1)


@contextmanager
def prefetch_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, buffer_size: int
) -> Iterator[Iterator[Result]]:
    """Yield an iterator over `function(item)`, in order, computed by `workers` threads.

    At most `buffer_size` results, finished or not, exist at any moment, so memory does not grow with the items.
    """
    with _thread_pool(workers, "reader") as pool:
        yield _map_in_order(pool, function, items, buffer_size)


@contextmanager
def prefetch(items: Iterator[Item]) -> Iterator[Iterator[Item]]:
    """Yield an iterator over the items; a thread computes the next one while the last one is in use."""
    with _thread_pool(1, "compute") as pool:
        yield _one_ahead(pool, items)


def best_batch_size(runtime: Runtime, out: Path | None = None) -> int:
    """Return the smallest of `BATCH_SIZES` that is nearly the fastest per cell, timed here on random cells.

    An unfinished run for the output `out` keeps its batch size, so that it can continue.
    """
    unfinished = _unfinished_batch_size(out) if out else None
    if unfinished:
        return unfinished
    seconds = {size: _seconds_per_cell(runtime, size) for size in BATCH_SIZES}
    return min(size for size in BATCH_SIZES if seconds[size] <= NEARLY_AS_FAST * min(seconds.values()))


def _computed_batches(
    runtime: Runtime, batches: Iterator[Batch], window: int
) -> Generator[tuple[Sequence[Cell], list[ReadCell], StreamOutputs | None]]:
    # The first batch of a window is taken here, so that no empty window is computed at the end.
    for first in batches:
        waiting: deque[Batch] = deque()
        in_window = _prepend(first, islice(batches, window - 1))
        for outputs in runtime.predict_batches(_pixels_of(in_window, waiting)):
            while not any(image.pixels is not None for image in waiting[0][1]):
                yield *waiting.popleft(), None
            yield *waiting.popleft(), outputs
        for batch in waiting:  # unreadable batches after the last readable one
            yield *batch, None


def _prepend(first: Batch, others: Iterator[Batch]) -> Iterator[Batch]:
    yield first
    yield from others


def _pixels_of(batches: Iterator[Batch], waiting: deque[Batch]) -> Iterator[NDArray[np.uint8]]:
    """Yield the pixels of each batch that has some, and append every batch to `waiting`."""
    for batch in batches:
        waiting.append(batch)
        pixels = readable_pixels(batch[1])
        if pixels is not None:
            yield pixels


def _map_in_order(
    pool: ThreadPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item], buffer_size: int
) -> Iterator[Result]:
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= buffer_size:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _one_ahead(pool: ThreadPoolExecutor, items: Iterator[Item]) -> Iterator[Item]:
    end = object()
    next_item = pool.submit(next, items, end)
    while (item := next_item.result()) is not end:
        next_item = pool.submit(next, items, end)
        yield item  # type: ignore[misc]


_IN_POOL = threading.local()


@contextmanager
def _thread_pool(workers: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """A thread pool; leaving it cancels what has not started, and waits for what has."""
    pool = ThreadPoolExecutor(workers, name, initializer=setattr, initargs=(_IN_POOL, "inside", True))
    try:
        yield pool
    finally:
        # A consumer that was dropped without being closed is closed by the garbage collector, perhaps inside a thread
        # of such a pool. That thread must not wait for itself, nor for one that waits for it.
        pool.shutdown(wait=not _in_pool(), cancel_futures=True)


@contextmanager
def _closing(items: Generator[Item]) -> Iterator[Iterator[Item]]:
    """Close a generator that a thread pool runs, once the pool has ended."""
    try:
        yield items
    finally:
        if not _in_pool():  # otherwise the pool may still be running it
            items.close()


def _in_pool() -> bool:
    return getattr(_IN_POOL, "inside", False)


def _seconds_per_cell(runtime: Runtime, size: int) -> float:
    side = runtime.description.preprocessing.size
    cells = np.random.default_rng(0).integers(0, 256, (size, side, side, 3), dtype=np.uint8)
    runtime.predict(cells)  # the first batch of a shape prepares
    start = time.perf_counter()
    runtime.predict(cells)
    return (time.perf_counter() - start) / size


def _unfinished_batch_size(out: Path) -> int | None:
    record = unfinished_record(out) or {}
    try:
        return int(record["options"]["batch_size"])
    except (TypeError, ValueError, LookupError):
        return None
