"""Generated contents of a report."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lymphoscope.data import DataSummary, SplitSummary
from lymphoscope.evaluation import Leakage, as_predictions, evaluate_predictions, evaluate_subjects
from lymphoscope.inference import CellStreams, Explanation
from lymphoscope.model_file import Architecture, Description, Preprocessing
from lymphoscope.reports import PredictedCell, ReportContents, mistake_of
from lymphoscope.vocabulary import STREAMS

CLASSES = ("all", "hem")


def make_predictions(
    classes: tuple[str, ...] = CLASSES, subjects: int = 8, cells: int = 6, subject: str = "S"
) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    rows = []
    for index in range(subjects * cells):
        class_index = index // cells % len(classes)
        row: dict[str, Any] = {"path": f"/cells/{index}.png", "subject": f"{subject}{index // cells}"}
        evidence = generator.normal(0, 1, len(classes)) + 1.5 * np.eye(len(classes))[class_index]
        for stream in (*STREAMS, "score"):
            odds = np.exp(evidence + generator.normal(0, 0.5, len(classes)))
            row |= dict(zip((f"{stream}_{name}" for name in classes), odds / odds.sum(), strict=True))
            row[f"{stream}_vote"] = classes[int(odds.argmax())]
        row["predicted"] = row.pop("score_vote")
        agreement = np.mean([row[f"{stream}_vote"] == row["predicted"] for stream in STREAMS])
        referral = {"refer": agreement < 1, "refer_reason": "streams disagree" if agreement < 1 else None}
        rows.append(row | {"label": classes[class_index], "agreement": agreement} | referral)
    return as_predictions(rows, classes)


def make_explanation(row: dict[str, Any], side: int = 48) -> Explanation:
    generator = np.random.default_rng(1)
    cell, crop, erase = generator.integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    return Explanation(row, CellStreams(cell, np.eye(side, dtype=np.float32), crop, erase, (4, 8, 30, 40)))


def make_description(classes: tuple[str, ...], blast: str | None) -> Description:
    return Description(
        name="tiny",
        architecture=Architecture(backbone="test_resnet", num_maps=4),
        classes=classes,
        blast_class=blast,
        preprocessing=Preprocessing(crop_mode="center_crop", mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2)),
        limits="Knows only generated cells.",
        recipe={"name": "quick"},
        versions={"lymphoscope": "0.1.0"},
    )


def make_contents(table: pd.DataFrame, blast: str | None = "all", **changes: Any) -> ReportContents:
    level = None if blast is None else evaluate_subjects(table, blast_class=blast, replicates=30)
    metrics = evaluate_predictions(table, blast_class=blast, replicates=30, subject_level=level)
    checked = Leakage(checked=["subjects", "duplicates"], allowed=False, leaking_cells=0, leaks=[])
    metrics = metrics.model_copy(update={"leakage": checked})
    wrong = table[table["label"].notna() & table["predicted"].notna() & (table["label"] != table["predicted"])]
    subjects = sorted(table["subject"].dropna().unique())
    split = SplitSummary(
        by="subject",
        kind="hold-out",
        train_subjects=["T1", "T2"],
        validation_subjects=["V1"],
        test_subjects=subjects,
        cells={"train": 60, "test": len(table)},
    )
    contents = ReportContents(
        title="A run",
        metrics=metrics,
        predictions=table,
        description=make_description(tuple(metrics.classes), blast),
        curves=pd.DataFrame({"epoch": [1, 2], "train_loss": [0.9, 0.5], "validation_accuracy": [0.6, float("nan")]}),
        data=DataSummary(
            source="folders",
            synthetic=False,
            cells=len(table) + 60,
            subjects=len(subjects) + 3,
            classes={name: int((table["label"] == name).sum()) for name in metrics.classes},
            notices=[],
            split=split,
        ),
        mistakes=[
            mistake_of(PredictedCell.of_row(row), make_explanation(row)) for row in wrong.head(3).to_dict("records")
        ],
        command="lymphoscope train --data cells",
        commit="0123456789ab",
        device="two cores",
        date="2026-11-23 12:00 UTC",
        parameters=1234567,
    )
    return dataclasses.replace(contents, **changes)


@pytest.fixture
def predictions() -> Callable[..., pd.DataFrame]:
    return make_predictions


@pytest.fixture
def contents() -> Callable[..., ReportContents]:
    return make_contents


@pytest.fixture
def explanation() -> Callable[..., Explanation]:
    return make_explanation
