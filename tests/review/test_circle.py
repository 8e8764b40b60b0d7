"""The circle: predict, review, sign, export the labels, train on them, and compare the models on the blind labels."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lymphoscope.api import compare, evaluate, train
from lymphoscope.cli.main import run
from lymphoscope.data import read_manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import read_predictions
from lymphoscope.review.label_export import cells_to_label
from lymphoscope.review.verification import verify

pytestmark = pytest.mark.slow


def truth_of(path: str) -> str:
    """The folder of a cell, which the reviewer of this test sees and the model does not."""
    return Path(path).parent.name


def review_everything(server: Any) -> int:
    """Label every cell of every case with its truth, and sign; return the number of cells."""
    sana, done = server.person("sana"), 0
    for case in sana.get("/api/cases")["cases"]:
        reading = f"/api/readings/{case['reading']}"
        cells = sana.get(f"{reading}/cells?limit=1000")["cells"]
        version = 1
        for label in ("all", "hem"):
            chosen = [cell["id"] for cell in cells if truth_of(cell["cell_id"]) == label]
            if chosen:
                version = sana.post(f"{reading}/labels", {"cells": chosen, "label": label}, version)["version"]
        sana.post(f"/api/cases/{case['id']}/sign", {"password": server.password, "meaning": "reviewed"}, version)
        done += len(cells)
    return done


def test_labels_of_a_review_train_a_model_that_is_compared_on_its_blind_part(
    make_server: Any, tiny_folder: Path, tiny_model: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    paths = sorted(tiny_folder.rglob("*.png"))
    cells = pd.DataFrame({"path": map(str, paths), "subject": [path.name.partition("_")[0] for path in paths]})
    cells.to_csv(tmp_path / "cells.csv", index=False)
    predictions = tmp_path / "predictions.parquet"
    assert run(["predict", str(tiny_model), str(tmp_path / "cells.csv"), "--out", str(predictions)]) == 0
    server = make_server(results=predictions, blind_share=0.5, target=1)
    assert len(cells_to_label(server.database, 12)) == 12
    assert review_everything(server) == len(paths)
    labels, blind = tmp_path / "labels.csv", tmp_path / "blind.csv"
    database = str(server.settings.database)
    for part, out in (("all", labels), ("blind", blind)):
        assert run(["review", "export-labels", "--database", database, "--part", part, "--out", str(out)]) == 0
    exported = read_manifest(labels).table
    assert list(exported["label"]) == [truth_of(path) for path in exported["path"]]
    assert set(exported["labelled_by"]) == {"sana"}
    shown_blind = read_manifest(blind).table
    assert len(shown_blind) == exported["blind"].map(str).eq("True").sum() == len(paths) // 2

    metrics = train(str(labels), tmp_path / "next", recipe="quick", overrides=(*tiny, "optimisation.epochs=1"))
    assert metrics is not None
    assert metrics.leakage is not None
    assert metrics.leakage.checked == ["subjects", "duplicates", "near duplicates"]
    assert (metrics.leakage.leaks, metrics.leakage.reason, metrics.leakage.allowed) == ([], None, False)
    with pytest.raises(LymphoscopeError, match=r"LEAK: \d+ evaluated cells were used in training"):
        evaluate(tmp_path / "next" / "model", str(labels))
    new = read_predictions(tmp_path / "next" / "predictions.parquet")
    new = new[new["path"].isin(shown_blind["path"])]
    old = read_predictions(predictions)
    old = old[old["path"].isin(new["path"])].assign(label=lambda table: table["path"].map(truth_of))
    comparison = compare(old, new)
    assert comparison.cells == len(new) > 0
    assert verify(server.database).faults == ()
