from collections.abc import Callable
from typing import Any

from lymphoscope.reports.sections import data

Maker = Callable[..., Any]


def test_parts_of_a_split(predictions: Maker, contents: Maker) -> None:
    split = contents(predictions()).data.split
    parts = data.split_parts(split, evaluated=48)
    assert [(part.name, part.cells) for part in parts] == [("Training", 60), ("Test", 48)]
    folds = data.split_parts(split.model_copy(update={"kind": "folds"}), evaluated=48)
    assert [part.cells for part in folds] == [48]
    assert folds[0].subjects == [*(f"S{number}" for number in range(8)), "T1", "T2", "V1"]


def test_the_split_is_told_in_a_sentence(predictions: Maker, contents: Maker) -> None:
    split = contents(predictions()).data.split
    assert "never saw the test subjects" in data.split_sentence(split)
    assert "too high" in data.split_sentence(split.model_copy(update={"by": "random"}))
    assert "not split" in data.split_sentence(split.model_copy(update={"by": "none", "kind": "none"}))
    assert "Each cell was tested once" in data.split_sentence(split.model_copy(update={"kind": "folds"}))
