from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lymphoscope.data import CellPreparation, Geometry
from lymphoscope.inference.inputs import read_cell

PREPARATION = CellPreparation(Geometry("resize", size=32))


def test_a_cell_is_fitted_and_its_file_measured(
    tmp_path: Path, paint: Callable[[Path, tuple[int, int, int]], Path]
) -> None:
    cell = read_cell(str(paint(tmp_path / "cell.png", (10, 20, 30))), PREPARATION)
    assert (cell.width, cell.height, cell.error) == (80, 60, None)
    assert cell.pixels is not None
    assert cell.pixels.shape == (32, 32, 3)
    assert np.unique(cell.pixels.reshape(-1, 3), axis=0).tolist() == [[10, 20, 30]]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.png", b"", "empty file"),
        ("text.png", b"no picture", "not an image"),
        ("gone.png", None, "No such file"),
        ("", None, "not a file"),
        ("a\0b", None, "not a file name"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_result(tmp_path: Path, name: str, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    cell = read_cell(f"{tmp_path}/{name}", PREPARATION)
    assert cell.pixels is None
    assert reason in (cell.error or "")
    assert "\n" not in (cell.error or "")
