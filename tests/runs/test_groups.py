"""Linked subjects reach the statistics: `evaluate` writes the column `group`, `score` reads it."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lymphoscope.data import Manifest
from lymphoscope.evaluation import as_predictions, read_predictions, write_predictions
from lymphoscope.inference import load
from lymphoscope.runs import RunFolder, evaluate_model, score_predictions
from lymphoscope.runs.evaluation import with_groups, with_groups_as_subjects
from lymphoscope.runs.leak_guard import TrainingCells
from lymphoscope.runs.results import EvaluationOptions

FEW = EvaluationOptions(replicates=100)


def with_a_shared_cell(manifest: Manifest, folder: Path) -> Manifest:
    """Another subject of the same class has a copy of the first cell."""
    table = manifest.table.copy()
    first = table.iloc[0]
    other = table[(table["label"] == first["label"]) & (table["subject"] != first["subject"])].index[0]
    copy = folder / "copy.png"
    shutil.copy(first["path"], copy)
    table.loc[other, "path"] = str(copy)
    return manifest.with_table(table[["path", "label", "subject"]])


@pytest.mark.slow
def test_evaluation_draws_linked_subjects_together_and_score_does_too(
    tiny_manifest: Manifest, tiny_model: Path, tmp_path: Path
) -> None:
    cells = with_a_shared_cell(tiny_manifest, tmp_path)
    metrics = evaluate_model(
        load(tiny_model),
        cells,
        RunFolder(tmp_path / "out"),
        "linked",
        training_cells=TrainingCells(pd.DataFrame({"path": [], "subject": []}, dtype=object)),
        allow_leak=False,
        options=FEW,
    )
    assert metrics.bootstrap.units == metrics.subjects - 1
    (linked,) = metrics.bootstrap.linked_subjects
    written = read_predictions(tmp_path / "out" / "predictions.parquet")
    assert set(written.loc[written["subject"].isin(linked), "group"]) == {"+".join(linked)}
    scored = score_predictions(tmp_path / "out" / "predictions.parquet", RunFolder(tmp_path / "score"), options=FEW)
    assert scored.vote == metrics.vote
    assert scored.bootstrap == metrics.bootstrap


def table_of_predictions(paths: list[str], subjects: list[str]) -> pd.DataFrame:
    score = np.random.default_rng(0).random(len(paths))
    label = np.where(np.arange(len(paths)) % 2 == 0, "all", "hem")
    rows = pd.DataFrame({"path": paths, "subject": subjects, "label": label})
    rows = rows.assign(score_all=score, score_hem=1 - score, predicted=np.where(score > 0.5, "all", "hem"))
    return as_predictions(rows.assign(refer=False), ("all", "hem"))


@pytest.mark.slow
def test_groups_of_split_data_are_used_without_reading_an_image(tmp_path: Path) -> None:
    paths = [f"/nowhere/{number}.png" for number in range(12)]
    subjects = [f"S{number % 6}" for number in range(12)]
    predictions = table_of_predictions(paths, subjects)
    table = predictions[["path", "label", "subject"]].assign(group=[s.replace("S2", "S0") for s in subjects])
    assert with_groups(predictions, Manifest(table, "split"))["group"].tolist() == table["group"].tolist()
    write_predictions(predictions.assign(group="stale"), tmp_path / "predictions.csv")
    scored = score_predictions(
        tmp_path / "predictions.csv", RunFolder(tmp_path / "a"), data=Manifest(table, "split"), options=FEW
    )
    assert scored.bootstrap.linked_subjects == [["S0", "S2"]]
    without = Manifest(table.drop(columns="group"), "data")
    scored = score_predictions(tmp_path / "predictions.csv", RunFolder(tmp_path / "b"), data=without, options=FEW)
    assert (scored.bootstrap.linked_subjects, scored.bootstrap.units) == (None, 6)


def test_stress_tests_draw_linked_subjects_as_one() -> None:
    """The subject of their cells is the group of a split; a cell without a subject stays without one."""
    table = table_of_predictions([f"/nowhere/{number}.png" for number in range(4)], ["S0", "S1", "S2", "S3"])
    table = table[["path", "label", "subject"]].assign(group=["S0+S2", "S1", "S0+S2", "cell 3"])
    table.loc[3, "subject"] = None
    grouped = with_groups_as_subjects(Manifest(table, "split")).table
    assert grouped["subject"].tolist()[:3] == ["S0+S2", "S1", "S0+S2"]
    assert pd.isna(grouped["subject"][3])
    assert grouped["path"].tolist() == table["path"].tolist()


def test_no_groups_among_very_many_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lymphoscope.runs.evaluation._MOST_COMPARED", 11)
    predictions = table_of_predictions([f"/nowhere/{number}.png" for number in range(12)], ["S0", "S1"] * 6)
    cells = Manifest(predictions[["path", "label", "subject"]], "many")
    assert "group" not in with_groups(predictions, cells)
