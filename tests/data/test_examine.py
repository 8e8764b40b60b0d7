import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lymphoscope.data.quality import examine, examine_all, reaches_beyond


def cell(side: int, top: int, left: int, bottom: int, right: int, background: int = 0) -> np.ndarray:
    pixels = np.full((side, side, 3), background, dtype=np.uint8)
    pixels[top:bottom, left:right] = (150, 60, 160)
    return pixels


@pytest.mark.parametrize(
    ("box", "beyond"),
    [
        ((76, 76, 374, 374), False),
        ((75, 100, 200, 200), True),
        ((100, 75, 200, 200), True),
        ((100, 100, 375, 200), True),
        ((100, 100, 200, 375), True),
        ((10, 10, 30, 30), True),
        ((200, 200, 201, 201), False),
    ],
)
def test_a_cell_on_the_border_of_the_central_300_of_450_reaches_beyond(
    box: tuple[int, int, int, int], beyond: bool
) -> None:
    assert reaches_beyond(cell(450, *box), 300) is beyond


def test_only_cells_on_black_that_are_cropped_count() -> None:
    assert not reaches_beyond(cell(450, 10, 10, 30, 30, background=90), 300)
    assert not reaches_beyond(cell(300, 0, 100, 300, 200), 300)


def test_one_reading_finds_all(tmp_path: Path) -> None:
    pixels = cell(450, 60, 100, 200, 200)
    Image.fromarray(pixels).save(tmp_path / "a.bmp")
    found = examine(str(tmp_path / "a.bmp"))
    assert found.fault is None
    assert found.sha256 == hashlib.sha256((tmp_path / "a.bmp").read_bytes()).hexdigest()
    assert (found.width, found.height, found.beyond_crop) == (450, 450, True)
    assert found.thumbnail is not None
    assert found.thumbnail.shape == (64, 64)


def test_a_broken_file_has_a_fault_of_one_line_and_nothing_else(tmp_path: Path) -> None:
    Image.fromarray(cell(450, 60, 100, 200, 200)).save(tmp_path / "good.png")
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture\n")
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:-60])
    names = ["good.png", "empty.png", "text.png", "cut.png", "missing.png"]
    found = examine_all([str(tmp_path / name) for name in names])
    assert [one.fault is None for one in found] == [True, False, False, False, False]
    assert all("\n" not in str(one.fault) and one.sha256 is None and one.width is None for one in found[1:])
    assert "truncated" in str(found[3].fault)
