from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lymphoscope.data import Fit
from lymphoscope.inference.read import read_cell

FIT = Fit("resize", size=32)


def test_a_cell_is_fitted_and_its_file_measured(
    tmp_path: Path, paint: Callable[[Path, tuple[int, int, int]], Path]
) -> None:
    cell = read_cell(str(paint(tmp_path / "cell.png", (10, 20, 30))), FIT)
    assert (cell.width, cell.height, cell.error) == (80, 60, None)
    assert cell.pixels is not None
    assert cell.pixels.shape == (32, 32, 3)
    assert np.unique(cell.pixels.reshape(-1, 3), axis=0).tolist() == [[10, 20, 30]]


@pytest.mark.parametrize("name", ["sixteen.tiff", "cmyk.jpg", "grey.png", "rgba.png"])
def test_unusual_kinds_are_read(nine_files: Path, name: str) -> None:
    cell = read_cell(str(nine_files / name), FIT)
    assert (cell.width, cell.height, cell.error) == (90, 70, None)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bad-text.png", "not an image"),
        ("bad-truncated.bmp", "truncated"),
        ("bad-one.png", "1x1"),
        ("bad-empty.png", "empty"),
        ("bad-bomb.png", "bomb"),
        ("gone.png", "No such file"),
        ("", "not a file"),
        ("a\0b", "not a file name"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_result(nine_files: Path, name: str, reason: str) -> None:
    cell = read_cell(f"{nine_files}/{name}", FIT)
    assert cell.pixels is None
    assert reason in (cell.error or "")
    assert "\n" not in (cell.error or "")
