"""Predictions and the data that they are scored against: one to one and complete, or named."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lymphoscope.cli.main import run
from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import Metrics, as_predictions, write_predictions
from lymphoscope.model_file import load_description, shipped_models
from lymphoscope.runs import RunFolder, score_predictions
from lymphoscope.runs.results import leak_notices


def predictions(subjects: int = 6, cells: int = 5) -> pd.DataFrame:
    """Nine of ten cells are right, and the last cell of each subject is wrong."""
    rows = []
    for subject in range(subjects):
        label = ("all", "hem")[subject % 2]
        for cell in range(cells):
            predicted = label if cell < cells - 1 else ("hem", "all")[subject % 2]
            scores = {f"score_{name}": 0.9 if name == predicted else 0.1 for name in ("all", "hem")}
            row = {"path": f"/cells/{subject}_{cell}.png", "subject": f"S{subject}", "label": label}
            rows.append({**row, "predicted": predicted, **scores, "agreement": 1.0, "refer": False})
    return as_predictions(rows, ["all", "hem"])


def score(table: pd.DataFrame, folder: Path, data: pd.DataFrame | None = None) -> Metrics:
    write_predictions(table, folder / "p.csv")
    cells = None if data is None else Manifest(data[["path", "label", "subject"]], "table")
    return score_predictions(folder / "p.csv", RunFolder(folder / "out"), data=cells)


@pytest.mark.slow
def test_predictions_left_out_of_a_table_are_counted_and_named_on_page_and_in_json(tmp_path: Path) -> None:
    everything = predictions()
    right = everything[everything["predicted"] == everything["label"]]
    metrics = score(right, tmp_path, everything)
    assert metrics.vote["accuracy"].value == 1
    assert metrics.missing == 6
    assert metrics.notices[0].startswith("CELLS MISSING: 6 of the 30 labelled cells of the data have no prediction")
    assert Metrics.model_validate_json((tmp_path / "out/metrics.json").read_text()) == metrics
    assert "Cells missing" in (tmp_path / "out/report.html").read_text()
    everything[["path", "label", "subject"]].to_csv(tmp_path / "cells.csv", index=False)
    command = ["score", str(tmp_path / "p.csv"), "--data", str(tmp_path / "cells.csv"), "--out", str(tmp_path / "o")]
    assert run(command) == 3


@pytest.mark.slow
def test_predictions_of_other_cells_are_named(tmp_path: Path) -> None:
    everything = predictions()
    metrics = score(everything, tmp_path, everything[:20])
    assert metrics.missing == 0
    assert metrics.notices == ["10 predictions are of cells that are not among the data, such as /cells/4_0.png"]


def test_a_cell_with_two_predictions_is_refused(tmp_path: Path) -> None:
    table = predictions()
    with pytest.raises(LymphoscopeError, match=r"for 3 cells, such as /cells/0_0.png in the rows 1, 31 after"):
        score(pd.concat([table, table[:3]], ignore_index=True), tmp_path)


@pytest.mark.slow
def test_cells_of_one_field_are_told_apart_by_their_id(tmp_path: Path) -> None:
    table = predictions().assign(path="/fields/1.png")
    with pytest.raises(LymphoscopeError, match="more than one prediction"):
        score(table, tmp_path)
    assert score(table.assign(cell_id=np.arange(len(table)).astype(str)), tmp_path).evaluated == 30


@pytest.mark.slow
def test_predictions_of_several_models_are_named(tmp_path: Path) -> None:
    table = predictions()
    metrics = score(table.assign(model_id=["one", "two"] * 15), tmp_path)
    assert metrics.notices == ["SEVERAL MODELS: the predictions are of the models one, two, and are scored together"]


def test_the_model_of_the_predictions_is_named_where_leaks_cannot_be_checked(tmp_path: Path) -> None:
    leakage = score(predictions().assign(model_id="abc"), tmp_path).leakage
    assert leakage is not None
    assert leakage.checked == []
    assert str(leakage.reason).startswith("the table names the model abc, which is not here to say")
    assert "Leaks not checked" in (tmp_path / "out/report.html").read_text()


@pytest.mark.slow
def test_predictions_of_a_shipped_model_are_compared_with_its_training_subjects(tmp_path: Path) -> None:
    found = [load_description(folder) for folder in shipped_models().values()]
    for description in found:
        parts = description.trained_on.get("subjects", {})
        subjects = [*parts.get("train", ()), *parts.get("validation", ())]
        if subjects:
            table = predictions().assign(model_id=description.model_id)
            assert score(table, tmp_path).leakage.leaks == []
            table.loc[table["subject"] == "S0", "subject"] = subjects[0]
            metrics = score(table, tmp_path)
            assert metrics.leakage.leaking_cells == 5
            assert not metrics.leakage.allowed  # nothing was refused, so nothing was allowed
            (notice,) = leak_notices(metrics.leakage, Manifest(table[["path", "label", "subject"]], "table"))
            assert notice.endswith("A table that is scored is not refused for its leaks")
            return
    pytest.skip("no model that ships records its subjects")
