"""A folder of Parquet parts, on this machine or at an address."""

from pathlib import Path
from uuid import uuid4

import pandas as pd
import pytest

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference.sinks import Chunk, PartsSink
from lymphoscope.vocabulary import prediction_columns

COLUMNS = prediction_columns(["all", "hem"])
ROW = {"path": "a.png", "predicted": "all", "refer": False}
BAD_ROW = {"path": "b.png", "refer": True, "error": "empty file"}


def sink_at(out: str, batch: int = 4, sizes: tuple[int, ...] = (2, 2)) -> PartsSink:
    return PartsSink(out, COLUMNS, {"batch": batch}, sizes)


@pytest.mark.parametrize("place", ["memory", "file", "path"])
def test_parts_are_written_and_resumed_at_any_address(place: str, tmp_path: Path) -> None:
    root = {"memory": f"memory://{uuid4().hex}", "file": f"file://{tmp_path}", "path": str(tmp_path)}[place]
    sink = sink_at(f"{root}/out.parquet")
    assert sink.open() == {}
    assert sink.write(1, [ROW, BAD_ROW]) == Chunk(1, 2, 1)
    assert sink.chunk(1) == Chunk(1, 2, 1)
    assert sink.chunk(0) is None
    assert sink.open() == {1: Chunk(1, 2, 1)}
    assert sink_at(f"{root}/out.parquet", batch=8).open() == {}
    assert sink.chunk(1) is None


def test_parts_are_read_as_one_table(tmp_path: Path) -> None:
    sink = sink_at(str(tmp_path / "out.parquet"))
    sink.open()
    for number in (1, 0):
        sink.write(number, [{**ROW, "path": f"{number}.png"}])
    sink.finish()
    assert pd.read_parquet(tmp_path / "out.parquet")["path"].tolist() == ["0.png", "1.png"]


def test_other_content_at_the_output_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out.parquet").mkdir()
    (tmp_path / "out.parquet" / "mine.txt").write_text("keep me", encoding="utf-8")
    (tmp_path / "file.parquet").write_text("keep me", encoding="utf-8")
    for name in ("out.parquet", "file.parquet"):
        with pytest.raises(LymphoscopeError, match="choose another --out"):
            sink_at(str(tmp_path / name)).open()
    assert (tmp_path / "out.parquet" / "mine.txt").exists()


def test_a_damaged_record_starts_over(tmp_path: Path) -> None:
    sink = sink_at(str(tmp_path / "out.parquet"))
    sink.open()
    sink.write(0, [ROW, ROW])
    (tmp_path / "out.parquet" / "_run.json").write_text("{half", encoding="utf-8")
    assert sink.open() == {}
