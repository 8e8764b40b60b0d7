"""Cells at addresses that fsspec reads: here in memory and as file addresses."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lymphoscope.data import CellPreparation, Geometry
from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference import Model, find_cells, read_cell, remote, search_cells

PREPARATION = CellPreparation(Geometry(crop_mode="resize", size=32))


@pytest.fixture
def store() -> Iterator[str]:
    """An address in memory with two cells, a hidden one and a manifest."""
    files, root = fsspec.filesystem("memory"), f"/{uuid4().hex}"
    for number, name in enumerate(("b/two.png", "a/one.png", ".hidden/three.png")):
        image = io.BytesIO()
        Image.new("RGB", (40, 60), (number * 50, 0, 0)).save(image, "PNG")
        files.pipe_file(f"{root}/{name}", image.getvalue())
    files.pipe_file(f"{root}/cells.csv", b"path,subject\na/one.png,007\nmemory://elsewhere/x.png,8\n")
    files.pipe_file(f"{root}/notes/read.txt", b"not an image")
    yield f"memory://{root}"
    files.rm(root, recursive=True)


def test_images_below_an_address_are_cells_in_order(store: str) -> None:
    assert [cell.path for cell in find_cells([store])] == [f"{store}/a/one.png", f"{store}/b/two.png"]
    assert [cell.path for cell in find_cells([f"{store}/b/two.png"])] == [f"{store}/b/two.png"]


def test_relative_paths_of_a_remote_manifest_start_at_its_folder(store: str) -> None:
    one, other = find_cells([f"{store}/cells.csv"])
    assert (one.path, one.subject) == (f"{store}/a/one.png", "007")
    assert other.path == "memory://elsewhere/x.png"


def test_a_remote_cell_is_read_like_a_local_one(store: str, tmp_path: Path) -> None:
    url = f"{store}/b/two.png"
    (tmp_path / "two.png").write_bytes(fsspec.filesystem("memory").cat_file(url.removeprefix("memory://")))
    here, there = read_cell(str(tmp_path / "two.png"), PREPARATION), read_cell(url, PREPARATION)
    assert there.pixels is not None
    assert np.array_equal(here.pixels, there.pixels)
    assert (there.width, there.height) == (40, 60)
    assert np.array_equal(read_cell(f"file://{tmp_path}/two.png", PREPARATION).pixels, here.pixels)


def test_a_remote_cell_that_does_not_exist_is_a_row_with_its_reason(store: str) -> None:
    assert "cannot be fetched" in str(read_cell(f"{store}/gone.png", PREPARATION).error)


@pytest.mark.parametrize(
    ("url", "fault"),
    [("STORE/gone", "does not exist"), ("STORE/notes", "contains no images"), ("STORE/gone.csv", "cannot be read"),
     ("nosuch://bucket/cells", "nosuch")],
)  # fmt: skip
def test_an_address_without_cells_is_one_line(store: str, url: str, fault: str) -> None:
    with pytest.raises(LymphoscopeError, match=fault):
        find_cells([url.replace("STORE", store)])


@pytest.mark.parametrize("address", ["C://cells/a.png", "file:///dev/zero", "memory://a.png", "s3://bucket/a.png"])
def test_an_address_in_a_table_is_a_row_and_not_fetched(
    address: str, tmp_path: Path, by_colour: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "file_system", lambda path: pytest.fail(f"fetched {path}"))
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    (tmp_path / "cells.csv").write_text(f"path\na.png\n{address}\n", encoding="utf-8")
    for cells in (tmp_path / "cells.csv", pd.DataFrame({"path": [tmp_path / "a.png", address]})):
        table = Model(by_colour).predict(cells)
        assert table["error"].isna().tolist() == [True, False]
        assert "only with --allow-remote" in table["error"][1]


def test_an_address_in_a_table_is_fetched_when_allowed(store: str, tmp_path: Path, by_colour: Any) -> None:
    (tmp_path / "cells.csv").write_text(f"path\n{store}/a/one.png\n{store}/gone.png\nC://a.png\n", encoding="utf-8")
    table = Model(by_colour).predict(tmp_path / "cells.csv", allow_remote=True)
    assert table["error"].isna().tolist() == [True, False, False]
    assert table["error"][1].startswith("cannot be fetched: ")
    assert "the protocol 'C' is not supported" in table["error"][2]


def test_addresses_outside_the_folder_of_a_remote_table_need_permission(store: str) -> None:
    assert [cell.fetch for cell in find_cells([f"{store}/cells.csv"])] == [True, False]
    assert [cell.fetch for cell in find_cells([f"{store}/cells.csv"], allow_remote=True)] == [True, True]


def test_a_remote_file_without_an_end_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MAX_BYTES", 3 * 1024**2)
    assert "larger than 3 MB" in str(read_cell("file:///dev/zero", PREPARATION).error)


def test_an_error_of_a_store_is_a_row(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("no credentials\nsecond line")

    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "open", refuse)
    assert read_cell(f"{store}/a/one.png", PREPARATION).error == (
        "cannot be fetched: ValueError: no credentials second line"
    )


class StrangeError(Exception):
    """Of a package that nobody has heard of."""


def test_any_error_of_a_store_is_a_row_or_one_line(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StrangeError("token\nexpired")

    memory = fsspec.get_filesystem_class("memory")
    monkeypatch.setattr(memory, "open", refuse)
    assert read_cell(f"{store}/a/one.png", PREPARATION).error == "cannot be fetched: StrangeError: token expired"
    monkeypatch.setattr(memory, "find", refuse)
    with pytest.raises(LymphoscopeError, match="cannot be listed: StrangeError: token expired"):
        find_cells([store])


def test_what_is_not_read_at_an_address_is_counted(store: str) -> None:
    assert search_cells([store]).not_read == {".csv": 1, ".txt": 1, "hidden": 1}
