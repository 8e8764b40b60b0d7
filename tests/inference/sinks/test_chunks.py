import errno
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import as_predictions, read_predictions, write_predictions
from lymphoscope.inference import check_out
from lymphoscope.inference.sinks.chunks import Chunks
from lymphoscope.vocabulary import prediction_columns

CLASSES = ("all", "hem")
TERMS = {"inputs": "a", "options": {"batch_size": 32}}


def rows_from(start: int, count: int) -> list[dict[str, Any]]:
    return [
        {"path": f"/cells/{number},\"{number}\".png", "predicted": "hem", "score_all": 0.1, "score_hem": 0.9,
         "raw_all": 0.1, "raw_hem": 0.9, "raw_vote": "hem", "agreement": 1.0, "refer": False, "box_top": number}
        if number % 3
        else {"path": f"/cells/{number}", "refer": True, "refer_reason": "unreadable", "error": "empty file"}
        for number in range(start, start + count)
    ]  # fmt: skip


def chunks_at(out: Path, terms: dict[str, Any] | None = None) -> Chunks:
    return Chunks(out, prediction_columns(CLASSES), terms or TERMS)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_joined_chunks_are_the_whole_table(tmp_path: Path, suffix: str) -> None:
    chunks = chunks_at(tmp_path / f"out{suffix}")
    chunks.start()
    chunks.write(0, rows_from(0, 4))
    chunks.write(1, rows_from(4, 3))
    assert chunks.finish(2) == 3
    whole = as_predictions(rows_from(0, 7), CLASSES)
    pd.testing.assert_frame_equal(read_predictions(chunks.out), whole)
    assert [path.name for path in tmp_path.iterdir()] == [f"out{suffix}"]


def test_csv_has_the_bytes_that_evaluation_writes(tmp_path: Path) -> None:
    chunks = chunks_at(tmp_path / "out.csv")
    chunks.start()
    chunks.write(0, rows_from(0, 4))
    chunks.write(1, rows_from(4, 3))
    chunks.finish(2)
    write_predictions(as_predictions(rows_from(0, 7), CLASSES), tmp_path / "other.csv")
    assert chunks.out.read_bytes() == (tmp_path / "other.csv").read_bytes()


def test_a_chunk_of_errors_alone_keeps_the_types(tmp_path: Path) -> None:
    chunks = chunks_at(tmp_path / "out.parquet")
    chunks.start()
    chunks.write(0, rows_from(0, 1))
    chunks.write(1, rows_from(1, 2))
    assert chunks.finish(2) == 1
    schema = pq.read_schema(chunks.out)
    assert str(schema.field("score_all").type) == "double"
    assert str(schema.field("box_top").type) == "int64"


def test_whole_chunks_are_counted_up_to_the_first_that_is_not(tmp_path: Path) -> None:
    chunks = chunks_at(tmp_path / "out.csv")
    chunks.start()
    assert chunks.whole([2, 2, 1]) == 0
    for number in range(3):
        chunks.write(number, rows_from(2 * number, 1 if number == 2 else 2))
    assert chunks.whole([2, 2, 1]) == 3
    (chunks.folder / "chunk-00001.csv").write_text("half of on", encoding="utf-8")
    assert chunks.whole([2, 2, 1]) == 1
    chunks.write(1, rows_from(0, 1))
    assert chunks.whole([2, 2, 1]) == 1


def test_only_the_same_terms_go_on(tmp_path: Path) -> None:
    chunks = chunks_at(tmp_path / "out.csv")
    assert not chunks.begun()
    chunks.start()
    assert chunks.begun()
    assert chunks.fit()
    assert not chunks_at(tmp_path / "out.csv", {**TERMS, "inputs": "b"}).fit()
    assert not chunks_at(tmp_path / "other.csv").begun()
    (chunks.folder / "run.json").write_text("{half", encoding="utf-8")
    assert not chunks.fit()


def test_starting_over_leaves_nothing_of_before(tmp_path: Path) -> None:
    chunks = chunks_at(tmp_path / "out.csv")
    chunks.start()
    chunks.write(0, rows_from(0, 2))
    chunks.start()
    assert [path.name for path in chunks.folder.iterdir()] == ["run.json"]
    assert json.loads((chunks.folder / "run.json").read_text(encoding="utf-8")) == TERMS


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full disk")
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_disk_that_fills_up_leaves_the_old_file_and_the_chunks(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    out.write_text("the old one", encoding="utf-8")
    chunks = chunks_at(out)
    chunks.start()
    chunks.write(0, rows_from(0, 2000))
    (chunks.folder / f"joined{suffix}").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as raised:
        chunks.finish(1)
    assert raised.value.errno == errno.ENOSPC
    assert out.read_text(encoding="utf-8") == "the old one"
    assert chunks.whole([2000]) == 1


def test_another_suffix_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LymphoscopeError, match=r"\.csv or \.parquet"):
        check_out(tmp_path / "out.xlsx")
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(LymphoscopeError, match="is a folder"):
        check_out(tmp_path / "out.csv")
    with pytest.raises(LymphoscopeError, match=r"\.csv or \.parquet"):
        chunks_at(tmp_path / "out")
