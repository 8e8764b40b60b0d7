import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lymphoscope.reports import PredictedCell, attention_overlay, mistake_of

Maker = Callable[..., Any]


def test_mistake_holds_the_row_and_the_scores_of_each_stream(predictions: Maker, explanation: Maker) -> None:
    row = predictions().iloc[0].to_dict()
    cell = explanation(row)
    mistake = mistake_of(PredictedCell.of_row(row), cell)
    shown = mistake.cell
    assert (shown.path, shown.subject, shown.label) == (row["path"], row["subject"], row["label"])
    assert shown.score == row[f"score_{row['predicted']}"]
    assert set(mistake.images) == {"raw", "attention", "crop", "erase"}
    overlay = attention_overlay(cell.streams.raw, cell.streams.attention)
    np.testing.assert_array_equal(mistake.images["attention"], overlay)
    for stream in ("raw", "crop", "erase"):
        assert shown.streams[stream] == {name: row[f"{stream}_{name}"] for name in ("all", "hem")}
        assert sum(shown.streams[stream].values()) == pytest.approx(1)


def test_mistake_may_have_no_images_and_no_subject(predictions: Maker, explanation: Maker) -> None:
    row = predictions().assign(subject=None).iloc[0].to_dict()
    mistake = mistake_of(PredictedCell.of_row(row), dataclasses.replace(explanation({}), streams=None))
    assert mistake.images == {}
    assert mistake.cell.subject is None


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_skipped_stream_has_no_probabilities(predictions: Maker, missing: object) -> None:
    row = predictions().iloc[0].to_dict() | {"erase_vote": missing, "refer_reason": missing}
    assert set(PredictedCell.of_row(row).streams) == {"raw", "crop"}
    assert PredictedCell.of_row(row).refer_reason is None
    without = {key: value for key, value in row.items() if not key.startswith("erase")}
    assert PredictedCell.of_row(without) == PredictedCell.of_row(row)
