"""What `predict` and `evaluate` say in words on the terminal."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lymphoscope.cli.answers import describe_cell, summarize, summarize_file
from lymphoscope.cli.main import run
from lymphoscope.data import Manifest
from lymphoscope.evaluation import as_predictions, write_predictions
from lymphoscope.model_file import Description
from lymphoscope.referral import REASONS


def row(**changes: Any) -> dict[str, Any]:
    votes = {"raw_vote": "all", "crop_vote": "all", "erase_vote": "all", "agreement": 1.0}
    scores = {"predicted": "all", "score_all": 0.992, "score_hem": 0.008}
    return {"path": "cell.png", **scores, **votes, "refer": False, "refer_reason": "", "error": None, **changes}


def test_one_cell_is_answered_in_words(description: Description) -> None:
    text = describe_cell(row(), description, "cell.png")
    assert text.startswith("cell.png: all (lymphoblast)\n")
    assert "0.992" in text
    assert "raw, crop and erase agree" in text
    assert "no reason to refer; it can still be wrong" in text
    assert "lymphoscope explain cell.png" in text


def test_disagreeing_streams_are_named_with_their_classes(description: Description) -> None:
    text = describe_cell(row(erase_vote="hem"), description, "cell.png")
    assert "raw and crop predict all (lymphoblast); erase predicts hem (normal)" in text


def test_a_skipped_stream_is_not_named(description: Description) -> None:
    assert "raw and crop agree" in describe_cell(row(erase_vote=None), description, "cell.png")


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.name)
def test_every_referral_reason_is_explained(reason: Any, description: Description) -> None:
    phrase = reason.phrase.format(minimum_score=0.7)
    text = describe_cell(row(refer=True, refer_reason=phrase), description, "cell.png")
    assert f"- {phrase}. {reason.meaning}" in text


def test_an_unreadable_cell_is_answered_with_its_error(description: Description) -> None:
    text = describe_cell(row(error="empty file"), description, "cell.png")
    assert text == "cell.png: cannot be read: empty file"


def test_the_summary_counts_classes_reasons_and_errors(description: Description) -> None:
    cells = [
        row(),
        row(predicted="hem"),
        row(refer=True, refer_reason="cut off; out of focus"),
        row(error="empty file"),
    ]
    assert summarize(cells, description) == [
        "classes: 2 all (lymphoblast), 1 hem (normal)",
        "referred to a person: 1 of 3 (1 cut off, 1 out of focus)",
        "failed: 1 empty file",
    ]


def test_most_cells_unlike_the_training_cells_are_warned_of(description: Description) -> None:
    unlike = row(refer=True, refer_reason="unlike the training cells")
    assert "warning: 2 of these cells are unlike" in summarize([unlike, unlike, row()], description)[-1]
    assert "warning" not in summarize([unlike, row(), row()], description)[-1]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_summary_of_a_file_is_that_of_its_rows(suffix: str, description: Description, tmp_path: Path) -> None:
    rows = [row(), row(refer=True, refer_reason="cut off"), {"path": "b.png", "refer": True, "error": "empty file"}]
    write_predictions(as_predictions(rows, description.classes), tmp_path / f"out{suffix}")
    assert summarize_file(tmp_path / f"out{suffix}", description) == summarize(rows, description)


def test_predict_answers_one_cell_in_words_and_several_as_a_table(
    tiny_model: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = sorted((tiny_folder / "all").glob("*.png"))[:3]
    assert run(["predict", str(tiny_model), str(cells[0])]) == 0
    assert "referral" in capsys.readouterr().out
    assert run(["predict", str(tiny_model), *map(str, cells)]) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 4
    assert "classes: " in captured.err
    assert captured.err.splitlines()[-1] == "3 cells, 0 failed"
    out = tmp_path / "out.csv"
    assert run(["predict", str(tiny_model), *map(str, cells), "--out", str(out)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "classes: " in captured.err


@pytest.mark.slow
def test_evaluate_prints_scores_with_intervals_referral_and_leaks(
    tiny_model: Path, tiny_manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = tmp_path / "cells"
    for label, path in tiny_manifest.table[["label", "path"]].itertuples(index=False):
        (cells / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, cells / label)
    source = ["--data", f"folders:{cells}", "--subject-pattern", r"(?P<subject>S\d+)_"]
    options = ["--replicates", "100", "--out", str(tmp_path / "out")]
    assert run(["evaluate", str(tiny_model), *source, *options]) == 0
    out = capsys.readouterr().out
    assert out.startswith("60 cells of 10 subjects; 95 % intervals")
    assert "Balanced accuracy" in out
    assert "always " in out
    assert "referred to a person: " in out
    assert "leaks: not checked" in out
    assert len(pd.read_parquet(tmp_path / "out/predictions.parquet")) == 60


def test_load_without_a_model_says_which_one_is_used(caplog: pytest.LogCaptureFixture) -> None:
    from lymphoscope import load

    load()
    assert "No model given: using the " in caplog.text
