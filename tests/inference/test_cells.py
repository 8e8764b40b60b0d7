import os
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference import Cell, cells_of, find_cells

Paint = Callable[[Path, tuple[int, int, int]], Path]
RED = (255, 0, 0)


def names(cells: list[Cell], root: Path) -> list[str]:
    return [str(Path(cell.path).relative_to(root)) for cell in cells]


def test_folders_are_walked_and_files_kept_in_the_order_named(tmp_path: Path, paint: Paint) -> None:
    for name in ("b/2.png", "b/1.BMP", "b/deep/0.jpg", "a.png", "z.png"):
        paint(tmp_path / name, RED)
    (tmp_path / "b" / "notes.txt").write_text("no picture", encoding="utf-8")
    cells = find_cells([tmp_path / "z.png", tmp_path / "b", str(tmp_path / "a.png")])
    assert names(cells, tmp_path) == ["z.png", "b/1.BMP", "b/2.png", "b/deep/0.jpg", "a.png"]


def test_hidden_files_are_left_out_of_folders_but_taken_when_named(tmp_path: Path, paint: Paint) -> None:
    paint(tmp_path / "cell.png", RED)
    hidden = paint(tmp_path / "._cell.png", RED)
    paint(tmp_path / ".cache" / "cell.png", RED)
    assert names(find_cells([tmp_path]), tmp_path) == ["cell.png"]
    assert names(find_cells([hidden]), tmp_path) == ["._cell.png"]


def test_a_named_file_is_taken_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture", encoding="utf-8")
    assert names(find_cells([tmp_path / "notes.txt"]), tmp_path) == ["notes.txt"]


def test_relative_paths_become_absolute(tmp_path: Path, paint: Paint, monkeypatch: pytest.MonkeyPatch) -> None:
    paint(tmp_path / "cell.png", RED)
    monkeypatch.chdir(tmp_path)
    assert find_cells(["cell.png"]) == [Cell(str(tmp_path / "cell.png"))]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_manifest_carries_what_it_knows(tmp_path: Path, suffix: str) -> None:
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


def test_what_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LymphoscopeError, match=r"gone\.png is not there"):
        find_cells([tmp_path / "gone.png"])
    with pytest.raises(LymphoscopeError, match="holds no images"):
        find_cells([tmp_path])
    with pytest.raises(LymphoscopeError, match="no cells named"):
        find_cells([])


def test_a_run_named_in_place_of_its_model_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").touch()
    with pytest.raises(LymphoscopeError, match=r"its model is .*model$"):
        find_cells([tmp_path])


@pytest.mark.skipif(sys.platform != "linux", reason="file names of other systems are text")
def test_a_name_that_is_not_text_can_still_be_written(tmp_path: Path, paint: Paint) -> None:
    paint(tmp_path / "cell.png", RED).rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xffcell.png"))
    (cell,) = find_cells([tmp_path])
    assert Path(cell.path).exists()
    assert cell.printable_path == f"{tmp_path}/\\udcffcell.png"
    assert cell.printable_path.encode("utf-8")
