import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lymphoscope.reports import attention_overlay, mistake_of
from lymphoscope.reports.contents import stream_probabilities

Maker = Callable[..., Any]


def test_a_mistake_holds_what_the_row_and_the_streams_say(predictions: Maker, explanation: Maker) -> None:
    row = predictions().iloc[0]
    seen = explanation(row.to_dict())
    mistake = mistake_of(row, seen)
    assert (mistake.path, mistake.subject, mistake.label) == (row["path"], row["subject"], row["label"])
    assert mistake.score == row[f"score_{row['predicted']}"]
    assert set(mistake.pictures) == {"raw", "attention", "crop", "erase"}
    overlay = attention_overlay(seen.pictures.raw, seen.pictures.attention)
    np.testing.assert_array_equal(mistake.pictures["attention"], overlay)
    for stream in ("raw", "crop", "erase"):
        assert mistake.probabilities[stream] == {name: row[f"{stream}_{name}"] for name in ("all", "hem")}
        assert sum(mistake.probabilities[stream].values()) == pytest.approx(1)


def test_a_cell_that_is_gone_has_no_pictures_and_no_subject_is_none(predictions: Maker, explanation: Maker) -> None:
    row = predictions().assign(subject=None).iloc[0]
    mistake = mistake_of(row, dataclasses.replace(explanation({}), pictures=None))
    assert mistake.pictures == {}
    assert mistake.subject is None


def test_a_stream_that_was_skipped_has_no_probabilities(predictions: Maker) -> None:
    row = predictions().assign(erase_vote=None).iloc[0]
    assert set(stream_probabilities(row)) == {"raw", "crop"}
    assert set(stream_probabilities({k: v for k, v in row.items() if not k.startswith("erase")})) == {"raw", "crop"}
