"""Predictions of an imaginary reader of cells: subjects differ, streams mostly agree."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lymphoscope.evaluation import as_predictions
from lymphoscope.vocabulary import STREAMS


def make_row(generator: np.random.Generator, kind: int, classes: tuple[str, ...], shift: float) -> dict[str, Any]:
    evidence = generator.normal(0, 1, len(classes))
    evidence[kind] += 1 + shift
    row: dict[str, Any] = {"label": classes[kind]}
    probabilities = []
    for stream in STREAMS:
        odds = np.exp(evidence + generator.normal(0, 0.5, len(classes)))
        probabilities.append(odds / odds.sum())
        row |= {f"{stream}_{name}": p for name, p in zip(classes, probabilities[-1], strict=True)}
        row[f"{stream}_vote"] = classes[int(probabilities[-1].argmax())]
    scores = np.mean(probabilities, axis=0)
    row |= {f"score_{name}": p for name, p in zip(classes, scores, strict=True)}
    votes = [row[f"{stream}_vote"] for stream in STREAMS]
    row["predicted"] = max(votes, key=lambda name: (votes.count(name), scores[classes.index(name)]))
    row["agreement"] = votes.count(row["predicted"]) / 3
    return row | {"refer": row["agreement"] < 1, "refer_reason": "streams disagree" if row["agreement"] < 1 else None}


def make_predictions(
    subjects: int = 12, cells: int = 10, classes: tuple[str, ...] = ("all", "hem"), seed: int = 0
) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    rows = []
    for subject in range(subjects):
        shift = generator.normal(0, 0.5)
        for cell in range(cells):
            row = make_row(generator, subject % len(classes), classes, shift)
            rows.append(row | {"path": f"/cells/{subject}_{cell}.png", "subject": f"S{subject:03}"})
    return as_predictions(rows, classes)


@pytest.fixture
def predictions() -> Callable[..., pd.DataFrame]:
    return make_predictions
