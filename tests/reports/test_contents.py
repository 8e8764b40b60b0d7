import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lymphoscope.reports import attention_overlay, mistake_of
from lymphoscope.reports.contents import stream_probabilities

Maker = Callable[..., Any]


def test_mistake_holds_the_row_and_the_scores_of_each_stream(predictions: Maker, explanation: Maker) -> None:
    row = predictions().iloc[0]
    cell = explanation(row.to_dict())
    mistake = mistake_of(row, cell)
    assert (mistake.path, mistake.subject, mistake.label) == (row["path"], row["subject"], row["label"])
    assert mistake.score == row[f"score_{row['predicted']}"]
    assert set(mistake.images) == {"raw", "attention", "crop", "erase"}
    overlay = attention_overlay(cell.streams.raw, cell.streams.attention)
    np.testing.assert_array_equal(mistake.images["attention"], overlay)
    for stream in ("raw", "crop", "erase"):
        assert mistake.probabilities[stream] == {name: row[f"{stream}_{name}"] for name in ("all", "hem")}
        assert sum(mistake.probabilities[stream].values()) == pytest.approx(1)


def test_mistake_may_have_no_images_and_no_subject(predictions: Maker, explanation: Maker) -> None:
    row = predictions().assign(subject=None).iloc[0]
    mistake = mistake_of(row, dataclasses.replace(explanation({}), streams=None))
    assert mistake.images == {}
    assert mistake.subject is None


def test_skipped_stream_has_no_probabilities(predictions: Maker) -> None:
    row = predictions().assign(erase_vote=None).iloc[0]
    assert set(stream_probabilities(row)) == {"raw", "crop"}
    assert set(stream_probabilities({k: v for k, v in row.items() if not k.startswith("erase")})) == {"raw", "crop"}
