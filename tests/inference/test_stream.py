import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lymphoscope.data import CellPreparation
from lymphoscope.inference import Cell, find_cells, pipeline as stream, predicted_rows
from lymphoscope.inference.inputs import ReadCell, read_cell

Colours = Callable[[int], list[Path]]


def test_rows_come_in_the_order_of_the_cells_whatever_the_batches(by_colour: Any, colours: Colours) -> None:
    cells = find_cells(list(reversed(colours(23))))
    expected = list(predicted_rows(by_colour, cells, batch_size=23, workers=1))
    assert [row["path"] for row in expected] == [cell.path for cell in cells]
    assert len({row["raw_hem"] for row in expected}) > 20
    for batch_size, workers in ((1, 1), (4, 3), (100, 2)):
        assert list(predicted_rows(by_colour, cells, batch_size=batch_size, workers=workers)) == expected


def test_batches_are_cut_by_place_whether_readable_or_not(by_colour: Any, colours: Colours) -> None:
    paths = colours(10)
    for number in (0, 1, 2, 3, 5):
        paths[number].write_bytes(b"")
    rows = list(predicted_rows(by_colour, find_cells(paths), batch_size=4))
    assert by_colour.batches == [3, 2]  # the first four are all unreadable: nothing to compute
    assert [number for number, row in enumerate(rows) if "error" in row] == [0, 1, 2, 3, 5]


def test_no_more_than_four_batches_are_in_memory(
    by_colour: Any, colours: Colours, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, alive, most = threading.Lock(), 0, 0

    class Counted(ReadCell):
        def __del__(self) -> None:
            nonlocal alive
            with lock:
                alive -= 1

    def counting(path: str, preparation: CellPreparation, *, measured: bool) -> ReadCell:
        nonlocal alive, most
        read = read_cell(path, preparation, measured=measured)
        with lock:
            alive += 1
            most = max(most, alive)
        return Counted(read.pixels, read.width, read.height, read.error)

    monkeypatch.setattr(stream, "read_cell", counting)
    rows = list(predicted_rows(by_colour, find_cells(colours(60)), batch_size=4, workers=3))
    assert len(rows) == 60
    assert 4 < most <= 6 * 4  # being used, computed and gathered, two read ahead, one on its way
    assert alive <= 4


def test_no_cells_no_rows(by_colour: Any) -> None:
    assert list(predicted_rows(by_colour, [])) == []


def test_a_cell_that_went_away_is_a_row(by_colour: Any) -> None:
    (row,) = predicted_rows(by_colour, [Cell("/nowhere/cell.png", "7")])
    assert (row["subject"], row["refer"], row["refer_reason"]) == ("7", True, "unreadable")
    assert row["error"].startswith("No such file")
