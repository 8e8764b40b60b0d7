from collections.abc import Callable

import numpy as np
import pandas as pd

from lymphoscope.evaluation import as_predictions
from lymphoscope.evaluation.subjects.subject_level import count_cells

Maker = Callable[..., pd.DataFrame]


def test_counts_are_those_of_a_loop(predictions: Maker) -> None:
    table = predictions(subjects=7, cells=9, classes=("a", "b", "c")).sample(frac=1, random_state=0)
    generator = np.random.default_rng(0)
    table["label"] = generator.choice(["a", "b", "c", None], len(table))
    table["slide"] = generator.choice(["1", "2", None], len(table))
    table.loc[generator.random(len(table)) < 0.2, ["predicted", "error"]] = [None, "not an image"]
    table.loc[generator.random(len(table)) < 0.1, "subject"] = None
    table = as_predictions(table, ["a", "b", "c"])
    for by in (["subject"], ["subject", "slide"]):
        counts = count_cells(table, by, "b")
        for unit, (subject, slide) in enumerate(zip(counts.subjects, counts.slides, strict=True)):
            rows = [
                row
                for row in table.to_dict("records")
                if row["subject"] == subject and (slide is None or row["slide"] == slide)
            ]
            used = [row for row in rows if row["predicted"]]
            assert counts.cells[unit] == len(used)
            assert counts.predicted[unit] == sum(row["predicted"] == "b" for row in used)
            assert counts.positives[unit] == sum(row["label"] == "b" for row in used)
            assert counts.true_positives[unit] == sum(row["label"] == row["predicted"] == "b" for row in used)
            assert counts.negatives[unit] == sum(row["label"] in ("a", "c") for row in used)
            assert counts.true_negatives[unit] == sum(
                row["label"] in ("a", "c") and row["predicted"] != "b" for row in used
            )
            labels = [row["label"] for row in rows if row["label"]]
            commonest = sorted(set(labels), key=lambda name: (-labels.count(name), name))
            assert counts.labels[unit] == (commonest[0] if commonest else None)
        assert counts.subjects == sorted(counts.subjects)
        assert len(set(zip(counts.subjects, counts.slides, strict=True))) == len(counts.subjects)


def test_a_subject_without_labels_or_predictions_stays(predictions: Maker) -> None:
    table = predictions(subjects=3, cells=4).assign(label=None)
    table.loc[table["subject"] == "S001", ["predicted", "error"]] = [None, "not an image"]
    table = as_predictions(table, ["all", "hem"])
    counts = count_cells(table, ["subject"], "all")
    assert counts.cells.tolist() == [4, 0, 4]
    assert counts.labels == [None] * 3
    assert count_cells(table, ["subject", "slide"], "all").cells.tolist() == []
