"""Paths, arrays, images and tables -> cells, and files -> fitted cells."""

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lymphoscope.data import CellPreparation, Geometry, Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference import Cell, as_cells, cells_of, find_cells, read_cell, search_cells

Paint = Callable[[Path, tuple[int, int, int]], Path]
RED = (255, 0, 0)
PREPARATION = CellPreparation(Geometry("resize", size=32))


def names(cells: list[Cell], root: Path) -> list[str]:
    return [str(Path(cell.path).relative_to(root)) for cell in cells]


def test_folders_are_walked_and_files_stay_in_the_order_given(tmp_path: Path, paint: Paint) -> None:
    for name in ("b/2.png", "b/1.BMP", "b/deep/0.jpg", "a.png", "z.png"):
        paint(tmp_path / name, RED)
    (tmp_path / "b" / "notes.txt").write_text("no picture", encoding="utf-8")
    cells = find_cells([tmp_path / "z.png", tmp_path / "b", str(tmp_path / "a.png")])
    assert names(cells, tmp_path) == ["z.png", "b/1.BMP", "b/2.png", "b/deep/0.jpg", "a.png"]


def test_hidden_files_are_skipped_in_folders_but_read_when_named(tmp_path: Path, paint: Paint) -> None:
    paint(tmp_path / "cell.png", RED)
    hidden = paint(tmp_path / "._cell.png", RED)
    paint(tmp_path / ".cache" / "cell.png", RED)
    assert names(find_cells([tmp_path]), tmp_path) == ["cell.png"]
    assert names(find_cells([hidden]), tmp_path) == ["._cell.png"]


def test_a_named_file_is_read_whatever_its_suffix(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture", encoding="utf-8")
    assert names(find_cells([tmp_path / "notes.txt"]), tmp_path) == ["notes.txt"]


def test_relative_paths_become_absolute(tmp_path: Path, paint: Paint, monkeypatch: pytest.MonkeyPatch) -> None:
    paint(tmp_path / "cell.png", RED)
    monkeypatch.chdir(tmp_path)
    assert find_cells(["cell.png"]) == [Cell(str(tmp_path / "cell.png"))]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_manifest_carries_subject_slide_and_label(tmp_path: Path, suffix: str) -> None:
    table = pd.DataFrame(
        {"path": ["a.png", "gone.png"], "label": ["all", None], "subject": ["7", "007"], "slide": [None, "s1"]}
    )
    path = tmp_path / f"cells{suffix}"
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path, index=False)
    assert find_cells([path]) == [
        Cell(str(tmp_path / "a.png"), subject="7", slide=None, label="all"),
        Cell(str(tmp_path / "gone.png"), subject="007", slide="s1", label=None),
    ]


def test_a_manifest_in_memory_keeps_its_order() -> None:
    table = pd.DataFrame({"path": ["/b", "/a"], "subject": ["1", None]})
    assert cells_of(Manifest(table, "table")) == [Cell("/b", "1"), Cell("/a")]


def test_a_missing_path_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LymphoscopeError, match=r"gone\.png does not exist"):
        find_cells([tmp_path / "gone.png"])
    with pytest.raises(LymphoscopeError, match="contains no images"):
        find_cells([tmp_path])
    with pytest.raises(LymphoscopeError, match="no cells given"):
        find_cells([])


def test_a_run_named_instead_of_its_model_gets_a_hint(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").touch()
    with pytest.raises(LymphoscopeError, match=r"its model is .*model$"):
        find_cells([tmp_path])


@pytest.mark.skipif(sys.platform != "linux", reason="file names of other systems are text")
def test_a_file_name_that_is_not_utf8_can_be_written(tmp_path: Path, paint: Paint) -> None:
    paint(tmp_path / "cell.png", RED).rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xffcell.png"))
    (cell,) = find_cells([tmp_path])
    assert Path(cell.path).exists()
    assert cell.printable_path == f"{tmp_path}/\\udcffcell.png"
    assert cell.printable_path.encode("utf-8")


def test_a_cell_is_fitted_and_has_the_size_of_its_file(tmp_path: Path, paint: Paint) -> None:
    cell = read_cell(str(paint(tmp_path / "cell.png", (10, 20, 30))), PREPARATION)
    assert (cell.width, cell.height, cell.error) == (80, 60, None)
    assert cell.pixels is not None
    assert cell.pixels.shape == (32, 32, 3)
    assert np.unique(cell.pixels.reshape(-1, 3), axis=0).tolist() == [[10, 20, 30]]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.png", b"", "empty file"),
        ("text.png", b"not an image", "not an image"),
        ("gone.png", None, "No such file"),
        ("", None, "not a file"),
        ("a\0b", None, "not a file name"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_result_with_its_reason(
    tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    cell = read_cell(f"{tmp_path}/{name}", PREPARATION)
    assert cell.pixels is None
    assert reason in (cell.error or "")
    assert "\n" not in (cell.error or "")


def test_arrays_and_images_are_cells_that_hold_their_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    for inputs in (pixels, image, [pixels], np.stack([pixels])):
        (cell,) = as_cells(inputs)
        assert cell.path == "image-0"
        assert np.array_equal(cell.image, pixels)
    assert [cell.path for cell in as_cells([pixels, image])] == ["image-0", "image-1"]


def test_a_data_frame_is_a_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame({"path": ["a.png", "memory://b.png"], "subject": ["1", None], "other": [1, 2]})
    expected = [Cell(str(tmp_path / "a.png"), "1"), Cell("memory://b.png")]
    assert (
        as_cells(table) == as_cells(Manifest(table.assign(path=[cell.path for cell in expected]), "table")) == expected
    )


@pytest.mark.parametrize(
    ("inputs", "fault"),
    [
        (np.zeros((40, 40), dtype=np.uint8), r"image-0 has shape \(40, 40\)"),
        ([np.zeros((40, 40, 3))], "type float64"),
        ([3], "image-0 is a int"),
        (pd.DataFrame({"file": ["a.png"]}), "no column `path`"),
        (Image.new("RGB", (4, 4)), "smaller than 16 pixels"),
        ([], "no cells given"),
    ],
)
def test_inputs_that_are_not_cells_are_one_line(inputs: object, fault: str) -> None:
    with pytest.raises(LymphoscopeError, match=fault) as raised:
        as_cells(inputs)  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)


def test_what_is_not_read_is_counted_over_all_folders(tmp_path: Path, paint: Paint) -> None:
    for name in ("a/1.png", "b/2.png"):
        paint(tmp_path / name, RED)
    for name in ("a/1.zip", "b/2.zip", "b/notes"):
        (tmp_path / name).touch()
    found = search_cells([tmp_path / "a", tmp_path / "b"])
    assert found.not_read == {".zip": 2, "without an image header": 1}
    assert found.lines == ["not read: 2 .zip, 1 without an image header"]


def test_a_folder_without_images_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "cells.zip").touch()
    with pytest.raises(LymphoscopeError, match=r"contains no images .*; not read: 1 \.zip"):
        find_cells([tmp_path])


def test_python_callers_get_the_line_as_a_logged_warning(
    tmp_path: Path, paint: Paint, caplog: pytest.LogCaptureFixture
) -> None:
    paint(tmp_path / "1.png", RED)
    (tmp_path / "1.zip").touch()
    caplog.set_level(logging.WARNING, logger="lymphoscope")
    as_cells(tmp_path)
    assert [record.message for record in caplog.records] == ["not read: 1 .zip"]


def test_memory_that_runs_out_while_a_cell_is_prepared_is_a_row(
    tmp_path: Path, paint: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_out(*_: object) -> None:
        raise MemoryError

    path = paint(tmp_path / "1.png", RED)
    monkeypatch.setattr(CellPreparation, "prepare", run_out)
    assert read_cell(str(path), PREPARATION).error == "does not fit in memory"
