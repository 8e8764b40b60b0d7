from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import as_predictions, check_predictions
from lymphoscope.inference import Cell, ReadCell, Runtime, read_cell
from lymphoscope.inference.rows import columns_of, prediction_rows, prediction_schema
from lymphoscope.method.numpy import StreamOutputs
from lymphoscope.model_file import Description
from lymphoscope.vocabulary import prediction_columns

Paint = Callable[[Path, tuple[int, int, int]], Path]
PIXELS = np.zeros((40, 40, 3), dtype=np.uint8)


def row_of(by_colour: Runtime, paint: Paint, path: Path, colour: tuple[int, int, int]) -> dict[str, object]:
    read = read_cell(str(paint(path, colour)), by_colour.description.preprocessing.preparation())
    assert read.pixels is not None
    (row,) = prediction_rows([Cell(str(path))], [read], by_colour.predict(read.pixels[None]), by_colour.description)
    return row


def test_a_row_holds_the_outputs_of_the_streams(tmp_path: Path, by_colour: Runtime, paint: Paint) -> None:
    assert row_of(by_colour, paint, tmp_path / "cell.png", (255, 204, 51)) == {
        "path": str(tmp_path / "cell.png"),
        "subject": None,
        "slide": None,
        "label": None,
        "predicted": "hem",
        "score_all": pytest.approx(1 / 3),
        "score_hem": pytest.approx(2 / 3),
        "raw_all": 0.0,
        "raw_hem": 1.0,
        "crop_all": pytest.approx(0.2),
        "crop_hem": 0.8,
        "erase_all": 0.8,
        "erase_hem": 0.2,
        "raw_vote": "hem",
        "crop_vote": "hem",
        "erase_vote": "all",
        "agreement": 0.67,
        "box_top": 15,
        "box_left": 0,
        "box_bottom": 30,
        "box_right": 80,
        "refer": True,
        "refer_reason": "score below 0.7",
        "model_id": by_colour.description.model_id,
    }


def test_a_cell_with_a_high_score_is_not_referred(tmp_path: Path, by_colour: Runtime, paint: Paint) -> None:
    row = row_of(by_colour, paint, tmp_path / "cell.png", (0, 0, 0))
    assert (row["predicted"], row["refer"], row["refer_reason"]) == ("all", False, None)


def test_unreadable_cells_stay_in_order(description: Description, by_colour: Runtime) -> None:
    cells = [Cell("a", "1"), Cell("b", "2", "slide", "hem"), Cell("c"), Cell("d")]
    bad = ReadCell(None, error="truncated")
    white = np.full_like(PIXELS, 255)
    outputs = by_colour.predict(np.stack([PIXELS, white]))
    rows = prediction_rows(cells, [ReadCell(PIXELS, 40, 40), bad, ReadCell(white, 40, 40), bad], outputs, description)
    assert [row["path"] for row in rows] == ["a", "b", "c", "d"]
    assert [row.get("predicted") for row in rows] == ["all", None, "hem", None]
    assert rows[1] == {
        "path": "b",
        "subject": "2",
        "slide": "slide",
        "label": "hem",
        "refer": True,
        "refer_reason": "unreadable",
        "error": "truncated",
        "model_id": description.model_id,
    }


def test_a_batch_without_readable_cells_has_errors_only(description: Description) -> None:
    rows = prediction_rows([Cell("a")], [ReadCell(None, error="empty file")], None, description)
    assert [row["error"] for row in rows] == ["empty file"]


def test_a_skipped_stream_and_a_missing_box_are_empty(description: Description) -> None:
    half = np.full((1, 2), 0.5, dtype=np.float32)
    skipped = np.full_like(half, np.nan)
    outputs = StreamOutputs(
        labels=np.array([0]),
        scores=half,
        probabilities=np.stack([half, skipped, skipped]),
        votes=np.array([[0], [-1], [-1]]),
        agreement=np.ones(1, dtype=np.float32),
        boxes=None,
    )
    rows = prediction_rows([Cell("a")], [ReadCell(PIXELS, 40, 40)], outputs, description)
    table = as_predictions(rows, description.classes)
    check_predictions(table)
    empty = table.columns[table.isna().all()]
    assert {"crop_all", "erase_hem", "crop_vote", "erase_vote", "box_top", "box_right"} <= set(empty)
    assert {"raw_all", "raw_vote", "score_hem", "agreement"}.isdisjoint(empty)


def test_numbers_are_the_shortest_that_round_to_the_same_float32(
    tmp_path: Path, by_colour: Runtime, paint: Paint
) -> None:
    row = row_of(by_colour, paint, tmp_path / "cell.png", (51, 51, 51))
    assert repr(row["raw_hem"]) == "0.2"
    assert np.float32(row["raw_hem"]) == np.float32(0.2)


def test_the_parquet_schema_is_that_of_the_table(description: Description) -> None:
    schema = prediction_schema(columns_of(description))
    assert schema.names == [*prediction_columns(description.classes), "model_id"]
    empty = pa.Table.from_pylist([{"path": "a", "refer": True}], schema=schema).to_pandas()
    typed = as_predictions(empty, description.classes)
    assert typed["refer"].tolist() == [True]
    with pytest.raises(LymphoscopeError, match="rename the class"):
        columns_of(description.model_copy(update={"classes": ("vote", "hem")}))
