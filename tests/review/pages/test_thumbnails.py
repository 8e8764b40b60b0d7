"""Thumbnails: the right cell of the right sheet, within bounded memory, and a plain refusal where there is none."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lymphoscope.data import UnreadableImage
from lymphoscope.errors import LymphoscopeError
from lymphoscope.review.pages import thumbnails
from lymphoscope.review.pages.thumbnails import Sprite, Thumbnails

SIDE = 24


def colour_of(column: int, row: int) -> tuple[int, int, int]:
    return 40 + 30 * column, 60 + 40 * row, 128


def write_sheet(path: Path, columns: int = 6, rows: int = 4) -> Path:
    sheet = np.zeros((rows * SIDE, columns * SIDE, 3), np.uint8)
    for row in range(rows):
        for column in range(columns):
            sheet[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE] = colour_of(column, row)
    Image.fromarray(sheet).save(path)
    return path


def decoded(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)), dtype=int)


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    return write_sheet(tmp_path / "sprite-00000.png")


@pytest.mark.parametrize(("column", "row"), [(0, 0), (5, 0), (0, 3), (5, 3), (2, 1)])
def test_each_thumbnail_is_the_part_of_the_sheet_at_its_place(
    sheet: Path, tmp_path: Path, column: int, row: int
) -> None:
    pixels = decoded(Thumbnails(tmp_path / "cache").of_sprite(Sprite(sheet, column * SIDE, row * SIDE, SIDE)))
    assert pixels.shape == (SIDE, SIDE, 3)
    assert np.abs(pixels.mean(axis=(0, 1)) - colour_of(column, row)).max() < 3


def test_a_sheet_is_cut_up_once_for_all_threads(sheet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    read = thumbnails.read_image
    monkeypatch.setattr(thumbnails, "read_image", lambda path: reads.append(path) or read(path))
    cut = Thumbnails(tmp_path / "cache")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda at: cut.of_sprite(Sprite(sheet, at % 6 * SIDE, at // 6 * SIDE, SIDE)), range(24)))
    assert reads == [sheet]
    Thumbnails(tmp_path / "cache").of_sprite(Sprite(sheet, 0, 0, SIDE))
    assert reads == [sheet]


def test_a_changed_sheet_is_cut_up_again(sheet: Path, tmp_path: Path) -> None:
    cut = Thumbnails(tmp_path / "cache")
    before = cut.of_sprite(Sprite(sheet, 0, 0, SIDE))
    Image.new("RGB", (6 * SIDE, 4 * SIDE + 1), "white").save(sheet)
    after = Thumbnails(tmp_path / "cache").of_sprite(Sprite(sheet, 0, 0, SIDE))
    assert decoded(before).mean() < 200 < decoded(after).mean()


@pytest.mark.parametrize("place", [(6 * SIDE, 0), (0, 4 * SIDE), (-SIDE, 0), (0, -SIDE)])
def test_a_place_outside_the_sheet_is_refused(sheet: Path, tmp_path: Path, place: tuple[int, int]) -> None:
    with pytest.raises(LymphoscopeError, match="no thumbnail at"):
        Thumbnails(tmp_path / "cache").of_sprite(Sprite(sheet, *place, SIDE))


def test_a_missing_sheet_and_a_side_of_nothing_are_refused(sheet: Path, tmp_path: Path) -> None:
    with pytest.raises(LymphoscopeError, match="is missing"):
        Thumbnails(tmp_path / "cache").of_sprite(Sprite(tmp_path / "absent.webp", 0, 0, SIDE))
    with pytest.raises(LymphoscopeError, match="0 pixels"):
        Thumbnails(tmp_path / "cache").of_sprite(Sprite(sheet, 0, 0, 0))


def test_the_thumbnail_of_a_file_keeps_its_shape_and_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (400, 200), (200, 30, 30)).save(tmp_path / "cell.png")
    assert decoded(Thumbnails(tmp_path).of_file(tmp_path / "cell.png")).shape == (48, 96, 3)
    (tmp_path / "page.png").write_text("<script>alert(1)</script>")
    with pytest.raises(UnreadableImage):
        Thumbnails(tmp_path).of_file(tmp_path / "page.png")


def test_memory_holds_at_most_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails, "MOST_IN_MEMORY", 2000)
    held = Thumbnails(tmp_path)
    for number in range(30):
        Image.new("RGB", (50, 50), (number, 0, 0)).save(tmp_path / f"{number}.png")
        held.of_file(tmp_path / f"{number}.png")
    kept = held._memory
    assert sum(map(len, kept._held.values())) == kept._size <= 2000
    assert len(kept._held) < 30


def test_sheets_are_prepared_in_the_background_and_a_missing_one_does_no_harm(sheet: Path, tmp_path: Path) -> None:
    cut = Thumbnails(tmp_path / "cache")
    cut.prepare([(tmp_path / "absent.webp", SIDE), (sheet, SIDE)]).join()
    assert len(list((tmp_path / "cache").glob("*.pack"))) == 1
