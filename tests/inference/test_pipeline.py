"""Prefetching, batches, rows in order, and the batch size that is measured."""

import contextlib
import gc
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.typing import NDArray

from lymphoscope.data import CellPreparation
from lymphoscope.inference import Cell, find_cells, pipeline, predicted_rows
from lymphoscope.inference.inputs import ReadCell, load_cell
from lymphoscope.inference.pipeline import best_batch_size, prefetch_map
from lymphoscope.inference.rows import Row
from lymphoscope.inference.sinks import FileSink
from lymphoscope.method.numpy import StreamOutputs
from lymphoscope.vocabulary import prediction_columns

Colours = Callable[[int], list[Path]]


def rows_of(runtime: Any, cells: list[Cell], **options: int) -> list[Row]:
    with predicted_rows(runtime, cells, **options) as rows:
        return list(rows)


def pool_threads(name: str) -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(name)]


@given(st.lists(st.integers()), st.integers(1, 4), st.integers(1, 8))
def test_prefetch_map_equals_map_for_any_number_of_threads(items: list[int], workers: int, buffer_size: int) -> None:
    with prefetch_map(str, items, workers=workers, buffer_size=buffer_size) as results:
        assert list(results) == list(map(str, items))


def test_prefetch_map_holds_no_more_results_than_its_buffer() -> None:
    lock = threading.Lock()
    held = most = 0

    def read(item: int) -> int:
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        return item

    with prefetch_map(read, range(200), workers=3, buffer_size=5) as results:
        for item in results:
            time.sleep(0.0005)  # the readers are faster than the consumer
            with lock:
                held -= 1
            assert item >= 0
    assert most == 5


def test_an_error_is_raised_in_its_order_and_ends_the_readers() -> None:
    def read(item: int) -> int:
        return 6 // item

    with prefetch_map(read, [3, 2, 0, 1], workers=2, buffer_size=3) as results:
        assert [next(results), next(results)] == [2, 3]
        with pytest.raises(ZeroDivisionError):
            next(results)
    assert pool_threads("reader") == []


def test_leaving_early_cancels_the_work_ahead() -> None:
    started = []

    def read(item: int) -> int:
        started.append(item)
        time.sleep(0.01)
        return item

    with prefetch_map(read, range(1000), workers=1, buffer_size=50) as results:
        next(results)
    assert len(started) < 60
    assert pool_threads("reader") == []


def test_rows_are_in_the_order_of_the_cells_for_any_batch_size(by_colour: Any, colours: Colours) -> None:
    cells = find_cells(list(reversed(colours(23))))
    expected = rows_of(by_colour, cells, batch_size=23, workers=1)
    assert [row["path"] for row in expected] == [cell.path for cell in cells]
    assert len({row["raw_hem"] for row in expected}) > 20
    for batch_size, workers in ((1, 1), (4, 3), (100, 2)):
        assert rows_of(by_colour, cells, batch_size=batch_size, workers=workers) == expected


def test_batches_are_cut_by_position_whether_readable_or_not(by_colour: Any, colours: Colours) -> None:
    paths = colours(10)
    for number in (0, 1, 2, 3, 5):
        paths[number].write_bytes(b"")
    rows = rows_of(by_colour, find_cells(paths), batch_size=4)
    assert by_colour.batches == [3, 2]  # the first four are all unreadable: nothing to compute
    assert [number for number, row in enumerate(rows) if "error" in row] == [0, 1, 2, 3, 5]


def test_no_more_than_six_batches_are_in_memory(
    by_colour: Any, colours: Colours, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, alive, most = threading.Lock(), 0, 0

    class Counted(ReadCell):
        def __del__(self) -> None:
            nonlocal alive
            with lock:
                alive -= 1

    def counting(cell: Cell, preparation: CellPreparation, *, measured: bool) -> ReadCell:
        nonlocal alive, most
        read = load_cell(cell, preparation, measured=measured)
        with lock:
            alive += 1
            most = max(most, alive)
        return Counted(read.pixels, read.width, read.height, read.error)

    monkeypatch.setattr(pipeline, "load_cell", counting)
    rows = rows_of(by_colour, find_cells(colours(60)), batch_size=4, workers=3)
    assert len(rows) == 60
    assert 4 < most <= 6 * 4  # in use, computed and gathered, two read ahead, one on its way
    assert alive <= 4


def test_no_cells_give_no_rows(by_colour: Any) -> None:
    assert rows_of(by_colour, []) == []


def test_a_cell_that_was_deleted_is_a_row(by_colour: Any) -> None:
    (row,) = rows_of(by_colour, [Cell("/nowhere/cell.png", "7")])
    assert (row["subject"], row["refer"], row["refer_reason"]) == ("7", True, "unreadable")
    assert row["error"].startswith("No such file")


def test_best_batch_size_is_the_smallest_that_is_nearly_the_fastest(
    by_colour: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    cost = {8: 1.0, 16: 0.51, 32: 0.50, 64: 0.50}
    predict = type(by_colour).predict

    def timed(pixels: NDArray[np.uint8]) -> StreamOutputs:
        clock[0] += len(pixels) * cost[len(pixels)]
        return predict(by_colour, pixels)

    monkeypatch.setattr(by_colour, "predict", timed)
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    assert best_batch_size(by_colour) == 16


def test_an_unfinished_run_keeps_its_batch_size(by_colour: Any, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    FileSink(out, prediction_columns(("all", "hem")), {"options": {"batch_size": 5}}, [1]).open()
    assert best_batch_size(by_colour, out) == 5
    assert by_colour.batches == []


def test_a_consumer_that_stops_early_ends_all_threads(by_colour: Any, colours: Colours) -> None:
    cells = find_cells(colours(40))
    for stop in (0, 1, 5, 17):
        with predicted_rows(by_colour, cells, batch_size=4, workers=3) as rows:
            assert len(list(islice(rows, stop))) == stop
        assert pool_threads("reader") == pool_threads("compute") == []


@contextlib.contextmanager
def only_new_garbage() -> Iterator[None]:
    """The garbage collector skips the many objects of all imported libraries, and so takes a moment only."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@pytest.mark.slow
def test_consumers_that_are_interrupted_and_collected_at_random_leave_no_thread_and_no_error(
    by_colour: Any, colours: Colours, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells, chance, faults = find_cells(colours(40)), random.Random(0), list[object]()  # noqa: S311
    load = pipeline.load_cell

    def collecting(*arguments: Any, **options: Any) -> ReadCell:
        if chance.random() < 0.2:
            gc.collect()  # inside a thread of the pool, as when the garbage collector closes an abandoned consumer
        return load(*arguments, **options)

    def abandon() -> None:
        """Leave a half-used consumer in a reference cycle, which only the garbage collector can close."""
        context = predicted_rows(by_colour, cells, batch_size=4, workers=3)
        cycle = [context, context.__enter__()]
        next(cycle[1])
        cycle.append(cycle)

    monkeypatch.setattr(pipeline, "load_cell", collecting)
    monkeypatch.setattr(sys, "unraisablehook", faults.append)
    with only_new_garbage():
        for number in range(20):
            if number % 2:
                abandon()
                continue
            with (
                contextlib.suppress(KeyboardInterrupt),
                predicted_rows(by_colour, cells, batch_size=4, workers=3) as rows,
            ):
                for _ in islice(rows, chance.randrange(40)):
                    pass
                raise KeyboardInterrupt
        gc.collect()
        deadline = time.monotonic() + 60
        while pool_threads("reader") + pool_threads("compute") and time.monotonic() < deadline:
            time.sleep(0.01)
            gc.collect()
    assert pool_threads("reader") == pool_threads("compute") == []
    assert faults == []
