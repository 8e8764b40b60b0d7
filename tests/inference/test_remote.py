"""Cells and predictions elsewhere, through fsspec: here in memory and by file addresses."""

import io
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import fsspec
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lymphoscope.data import CellPreparation, Geometry
from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference import find_cells
from lymphoscope.inference.inputs import read_cell
from lymphoscope.inference.sinks.parts import Part, Parts
from lymphoscope.vocabulary import prediction_columns

PREPARATION = CellPreparation(Geometry(crop_mode="resize", size=32))
ROW = {"path": "a.png", "predicted": "all", "refer": False}


@pytest.fixture
def store() -> Iterator[str]:
    """A place in memory with two cells, a hidden one and a manifest of one of them."""
    files, root = fsspec.filesystem("memory"), f"/{uuid4().hex}"
    for number, name in enumerate(("b/two.png", "a/one.png", ".hidden/three.png")):
        picture = io.BytesIO()
        Image.new("RGB", (40, 60), (number * 50, 0, 0)).save(picture, "PNG")
        files.pipe_file(f"{root}/{name}", picture.getvalue())
    files.pipe_file(f"{root}/cells.csv", b"path,subject\na/one.png,007\nmemory://elsewhere/x.png,8\n")
    files.pipe_file(f"{root}/notes/read.txt", b"no picture")
    yield f"memory://{root}"
    files.rm(root, recursive=True)


def test_pictures_below_an_address_are_cells_in_order(store: str) -> None:
    assert [cell.path for cell in find_cells([store])] == [f"{store}/a/one.png", f"{store}/b/two.png"]
    assert [cell.path for cell in find_cells([f"{store}/b/two.png"])] == [f"{store}/b/two.png"]


def test_a_manifest_elsewhere_names_cells_beside_it(store: str) -> None:
    one, other = find_cells([f"{store}/cells.csv"])
    assert (one.path, one.subject) == (f"{store}/a/one.png", "007")
    assert other.path == "memory://elsewhere/x.png"


def test_a_cell_elsewhere_is_read_as_one_here(store: str, tmp_path: Path) -> None:
    url = f"{store}/b/two.png"
    (tmp_path / "two.png").write_bytes(fsspec.filesystem("memory").cat_file(url.removeprefix("memory://")))
    here, there = read_cell(str(tmp_path / "two.png"), PREPARATION), read_cell(url, PREPARATION)
    assert there.pixels is not None
    assert np.array_equal(here.pixels, there.pixels)
    assert (there.width, there.height) == (40, 60)
    assert np.array_equal(read_cell(f"file://{tmp_path}/two.png", PREPARATION).pixels, here.pixels)


def test_a_cell_that_is_not_there_is_a_row_with_its_reason(store: str) -> None:
    assert "cannot be fetched" in str(read_cell(f"{store}/gone.png", PREPARATION).error)


@pytest.mark.parametrize(
    ("word", "fault"),
    [("STORE/gone", "is not there"), ("STORE/notes", "holds no images"), ("STORE/gone.csv", "cannot be read"),
     ("nosuch://bucket/cells", "nosuch")],
)  # fmt: skip
def test_an_address_without_cells_is_one_line(store: str, word: str, fault: str) -> None:
    with pytest.raises(LymphoscopeError, match=fault):
        find_cells([word.replace("STORE", store)])


@pytest.mark.parametrize("place", ["memory", "file", "path"])
def test_parts_are_written_and_counted_anywhere(place: str, tmp_path: Path) -> None:
    root = {"memory": f"memory://{uuid4().hex}", "file": f"file://{tmp_path}", "path": str(tmp_path)}[place]
    parts = Parts(f"{root}/out.parquet")
    assert not parts.begun()
    parts.start({"batch": 4})
    assert parts.begun()
    assert parts.fit({"batch": 4})
    assert not parts.fit({"batch": 8})
    parts.write(1, [ROW, {"path": "b.png", "refer": True, "error": "empty file"}], prediction_columns(["all", "hem"]))
    assert parts.has(1)
    assert not parts.has(0)
    assert parts.written() == [Part(1, 2, 1)]
    parts.start({"batch": 8})
    assert parts.written() == []


def test_parts_written_here_are_read_as_one_table(tmp_path: Path) -> None:
    parts = Parts(str(tmp_path / "out.parquet"))
    parts.start({})
    for number in (1, 0):
        parts.write(number, [{**ROW, "path": f"{number}.png"}], prediction_columns(["all", "hem"]))
    assert pd.read_parquet(tmp_path / "out.parquet")["path"].tolist() == ["0.png", "1.png"]


def test_what_lies_there_and_is_no_predictions_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out.parquet").mkdir()
    (tmp_path / "out.parquet" / "mine.txt").write_text("keep me", encoding="utf-8")
    (tmp_path / "file.parquet").write_text("keep me", encoding="utf-8")
    for name in ("out.parquet", "file.parquet"):
        with pytest.raises(LymphoscopeError, match="choose another --out"):
            Parts(str(tmp_path / name)).start({})
    assert (tmp_path / "out.parquet" / "mine.txt").exists()


def test_terms_that_are_broken_do_not_fit(tmp_path: Path) -> None:
    parts = Parts(str(tmp_path / "out.parquet"))
    parts.start({})
    (tmp_path / "out.parquet" / "_run.json").write_text("{half", encoding="utf-8")
    assert not parts.fit({})
