"""A CSV or Parquet file that is written in chunks and can be resumed."""

import errno
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import as_predictions, read_predictions, write_predictions
from lymphoscope.inference.sinks import Chunk, FileSink, check_output_file
from lymphoscope.vocabulary import prediction_columns

CLASSES = ("all", "hem")
RECORD = {"inputs": "a", "options": {"batch_size": 32}}


def rows_from(start: int, count: int) -> list[dict[str, Any]]:
    return [
        {"path": f"/cells/{number},\"{number}\".png", "predicted": "hem", "score_all": 0.1, "score_hem": 0.9,
         "raw_all": 0.1, "raw_hem": 0.9, "raw_vote": "hem", "agreement": 1.0, "refer": False, "box_top": number}
        if number % 3
        else {"path": f"/cells/{number}", "refer": True, "refer_reason": "unreadable", "error": "empty file"}
        for number in range(start, start + count)
    ]  # fmt: skip


def sink_at(out: Path, sizes: tuple[int, ...] = (4, 3), record: dict[str, Any] | None = None) -> FileSink:
    return FileSink(out, prediction_columns(CLASSES), record or RECORD, sizes)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_joined_chunks_are_the_whole_table(tmp_path: Path, suffix: str) -> None:
    sink = sink_at(tmp_path / f"out{suffix}")
    assert sink.open() == {}
    assert sink.write(0, rows_from(0, 4)) == Chunk(0, 4, 2)
    assert sink.write(1, rows_from(4, 3)) == Chunk(1, 3, 1)
    sink.finish()
    whole = as_predictions(rows_from(0, 7), CLASSES)
    pd.testing.assert_frame_equal(read_predictions(sink.out), whole)
    assert [path.name for path in tmp_path.iterdir()] == [f"out{suffix}"]


def test_csv_bytes_equal_those_of_write_predictions(tmp_path: Path) -> None:
    sink = sink_at(tmp_path / "out.csv")
    sink.open()
    sink.write(0, rows_from(0, 4))
    sink.write(1, rows_from(4, 3))
    sink.finish()
    write_predictions(as_predictions(rows_from(0, 7), CLASSES), tmp_path / "other.csv")
    assert sink.out.read_bytes() == (tmp_path / "other.csv").read_bytes()


def test_a_chunk_of_errors_only_keeps_the_types(tmp_path: Path) -> None:
    sink = sink_at(tmp_path / "out.parquet", (1, 2))
    sink.open()
    assert sink.write(0, rows_from(0, 1)).failed == 1
    assert sink.write(1, rows_from(1, 2)).failed == 0
    sink.finish()
    schema = pq.read_schema(sink.out)
    assert str(schema.field("score_all").type) == "double"
    assert str(schema.field("box_top").type) == "int64"


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_resuming_returns_the_complete_chunks(tmp_path: Path, suffix: str) -> None:
    sink = sink_at(tmp_path / f"out{suffix}", (2, 2, 1))
    assert sink.open() == {}
    for number in range(3):
        sink.write(number, rows_from(2 * number, 1 if number == 2 else 2))
    assert sink.open() == {0: Chunk(0, 2, 1), 1: Chunk(1, 2, 1), 2: Chunk(2, 1, 0)}
    (sink.folder / f"chunk-00001{suffix}").write_text("half of on", encoding="utf-8")
    assert sorted(sink.open()) == [0, 2]
    sink.write(1, rows_from(0, 1))
    assert sorted(sink.open()) == [0, 2]


def test_only_a_run_of_the_same_record_is_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.csv"
    sink_at(out).open()
    assert capsys.readouterr().err == ""
    sink_at(out).write(0, rows_from(0, 4))
    assert sorted(sink_at(out).open()) == [0]
    assert capsys.readouterr().err == "continuing after 4 cells of an unfinished run\n"
    assert sink_at(tmp_path / "other.csv").open() == {}
    assert sink_at(out, record={**RECORD, "inputs": "b"}).open() == {}
    assert capsys.readouterr().err.startswith("starting over: ")
    (sink_at(out).folder / "run.json").write_text("{half", encoding="utf-8")
    assert sink_at(out).open() == {}


def test_starting_over_removes_the_earlier_run(tmp_path: Path) -> None:
    sink = sink_at(tmp_path / "out.csv")
    sink.open()
    sink.write(0, rows_from(0, 4))
    assert sink.open(resume=False) == {}
    assert [path.name for path in sink.folder.iterdir()] == ["run.json"]
    assert json.loads((sink.folder / "run.json").read_text(encoding="utf-8")) == RECORD


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full disk")
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_full_disk_leaves_the_old_file_and_the_chunks(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    sink = sink_at(out, (2000,))
    sink.open()
    out.write_text("the old one", encoding="utf-8")
    sink.write(0, rows_from(0, 2000))
    (sink.folder / f"joined{suffix}").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as raised:
        sink.finish()
    assert raised.value.errno == errno.ENOSPC
    assert out.read_text(encoding="utf-8") == "the old one"
    assert sorted(sink.open()) == [0]


def test_another_suffix_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LymphoscopeError, match=r"\.csv or \.parquet"):
        check_output_file(tmp_path / "out.xlsx")
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(LymphoscopeError, match="is a folder"):
        check_output_file(tmp_path / "out.csv")
    with pytest.raises(LymphoscopeError, match=r"\.csv or \.parquet"):
        sink_at(tmp_path / "out")
