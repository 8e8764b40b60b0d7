from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import as_predictions, check_predictions, classes_of, read_predictions, write_predictions
from lymphoscope.vocabulary import prediction_columns

Maker = Callable[..., pd.DataFrame]


def test_columns_are_in_the_documented_order() -> None:
    assert " ".join(prediction_columns(["all", "hem"])) == (
        "path subject slide label predicted score_all score_hem raw_all raw_hem crop_all crop_hem erase_all erase_hem "
        "raw_vote crop_vote erase_vote agreement box_top box_left box_bottom box_right refer refer_reason error"
    )


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".CSV"])
def test_table_is_unchanged_by_writing_and_reading(predictions: Maker, tmp_path: Path, suffix: str) -> None:
    failed = {"path": '/cells/=ü, "q".png', "error": "not an image", "subject": "NA", "slide": "007"}
    known = predictions().assign(box_top=3, fold=1)
    table = as_predictions([*known.to_dict("records"), failed], ["all", "hem"])
    write_predictions(table, tmp_path / f"p{suffix}")
    again = read_predictions(tmp_path / f"p{suffix}")
    pd.testing.assert_frame_equal(again, table, check_exact=True)
    assert list(again.columns) == [*prediction_columns(["all", "hem"]), "fold"]
    assert again["subject"].iloc[-1] == "NA"
    assert again["slide"].iloc[-1] == "007"
    assert again["predicted"].iloc[-1] is None
    assert pd.isna(again["box_top"].iloc[-1])
    assert again["refer"].iloc[-1]  # not said: a person looks


def test_classes_keep_the_order_of_the_model(predictions: Maker) -> None:
    assert classes_of(predictions(classes=("z", "score_a", "m"))) == ["z", "score_a", "m"]


def test_unknown_label_can_be_written(predictions: Maker, tmp_path: Path) -> None:
    write_predictions(predictions().assign(label="basophil"), tmp_path / "p.csv")
    assert set(read_predictions(tmp_path / "p.csv")["label"]) == {"basophil"}


def broken(table: pd.DataFrame, how: str) -> pd.DataFrame:
    return {
        "column": table.drop(columns="crop_hem"),
        "class": table.assign(crop_vote="Hem"),
        "empty": table.iloc[:0],
        "score": table.assign(score_all=float("nan")),
        "classes": table.drop(columns="score_hem"),
        "number": table.assign(raw_all="high"),
        "box": table.assign(box_top=0.5),
        "truth": table.assign(refer="perhaps"),
    }[how]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("column", "column crop_hem is missing"),
        ("class", "row 1 after the header has crop_vote Hem, expected one of the classes all, hem"),
        ("empty", "no rows"),
        ("score", "/cells/0_0.png has a prediction but lacks a score"),
        ("classes", "1 score_<class> columns"),
        ("number", "row 1 after the header has raw_all high, expected a number"),
        ("box", "row 1 after the header has box_top 0.5, expected a whole number of pixels"),
        ("truth", "a value of the wrong type"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_invalid_table_is_a_one_line_error(
    predictions: Maker, tmp_path: Path, how: str, message: str, suffix: str
) -> None:
    path = tmp_path / f"p{suffix}"
    table = broken(predictions(), how)
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path, index=False)
    with pytest.raises(LymphoscopeError, match=message) as caught:
        read_predictions(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff\x00 no table", b"PAR1"])
def test_invalid_file_is_a_one_line_error(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LymphoscopeError) as caught:
        read_predictions(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["absent.csv", "absent.parquet", "table.xlsx", "table"])
def test_unreadable_path_is_a_one_line_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(LymphoscopeError, match=r"no such table|predictions are a \.csv or \.parquet file"):
        read_predictions(tmp_path / name)


@pytest.mark.parametrize("classes", [["all", "all"], ["all", "vote"]])
def test_classes_that_give_equal_columns_are_refused(classes: list[str]) -> None:
    with pytest.raises(LymphoscopeError, match="would appear twice"):
        prediction_columns(classes)


def test_invalid_table_is_not_written(predictions: Maker, tmp_path: Path) -> None:
    with pytest.raises(LymphoscopeError):
        write_predictions(predictions().assign(predicted="neither"), tmp_path / "p.csv")
    assert list(tmp_path.iterdir()) == []


def test_skipped_stream_is_valid(predictions: Maker) -> None:
    check_predictions(predictions().assign(erase_vote=None, erase_all=float("nan"), erase_hem=float("nan")))


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("score_all", 1.4, "score_all 1.4, expected from 0 to 1"),
        ("crop_hem", -0.1, "crop_hem -0.1, expected from 0 to 1"),
        ("raw_all", float("inf"), "raw_all inf, expected from 0 to 1"),
        ("score_hem", 0.9999, "score_..., summed 1.*, expected 1"),
        ("agreement", 3.0, "agreement 3.0, expected from 0 to 1"),
        ("box_top", -4, "box_top -4, expected 0 or more"),
        ("box_right", 0, "box_right 0, expected larger than box_left"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_value_that_no_model_gives_is_one_line_with_its_row(
    predictions: Maker, tmp_path: Path, column: str, value: float, words: str, suffix: str
) -> None:
    table = predictions().assign(box_top=1, box_left=2, box_bottom=30, box_right=40)
    table[column] = table[column].astype(float)
    table.loc[2, column] = value
    path = tmp_path / f"p{suffix}"
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path, index=False)
    with pytest.raises(LymphoscopeError, match=f"row 3 after the header has {words}"):
        read_predictions(path)
