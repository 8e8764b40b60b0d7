import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from lymphoscope.model_file import Architecture, TestTime
from lymphoscope.reports import facts

Maker = Callable[..., Any]


@pytest.mark.parametrize(
    ("notice", "loud"),
    [
        ("RANDOM SPLIT: cells were dealt", True),
        ("RANDOM SPLIT in part: 3 of 40 cells have no subject", True),
        ("LEAKAGE: the model was trained on 2 of these", True),
        ("7,272 cells were expected: 300 found", False),
        ("C-NMC", False),
    ],
)
def test_notices_in_capitals_are_loud(notice: str, loud: bool) -> None:
    assert facts.is_loud(notice) is loud


def test_a_random_split_is_marked_once_whether_or_not_the_notice_came_along(
    predictions: Maker, contents: Maker
) -> None:
    plain = contents(predictions())
    random = {**plain.data, "split": {**plain.data["split"], "by": "random"}}
    for notices in ([], ["RANDOM SPLIT: cells were dealt without regard to subjects"]):
        shown = facts.bands(dataclasses.replace(plain, data={**random, "notices": notices}))
        assert [band["title"] for band in shown] == ["Random split"]
    assert facts.bands(plain) == []


def test_names_sort_as_people_sort_them() -> None:
    assert facts.natural(["S10", "S2", "h3", "S2b", "10", "9", "\u00b2"]) == [
        "9",
        "10",
        "S2",
        "S2b",
        "S10",
        "h3",
        "\u00b2",
    ]


def test_parts_of_a_split(predictions: Maker, contents: Maker) -> None:
    split = contents(predictions()).data["split"]
    parts = facts.split_parts(split, judged=48)
    assert [(part["name"], part["cells"]) for part in parts] == [("Training", 60), ("Test", 48)]
    folds = facts.split_parts({**split, "kind": "folds"}, judged=48)
    assert [part["cells"] for part in folds] == [48]
    assert folds[0]["subjects"] == [*(f"S{number}" for number in range(8)), "T1", "T2", "V1"]


def test_reasons_to_look_are_explained() -> None:
    metrics = {"refer": {"reasons": {"streams disagree": 3, "score below 0.7": 2, "unreadable": 1}}}
    assert [count for _, _, count in facts.refer_rows(metrics)] == [3, 2, 1]
    assert all(meaning for _, meaning, _ in facts.refer_rows(metrics))


def test_the_model_card_tells_what_the_model_does(predictions: Maker, contents: Maker) -> None:
    description = contents(predictions()).description
    told = dict(facts.model_facts(description, 7))
    assert told["Backbone"] == "test_resnet"
    assert told["Head"] == "attention, 4 maps"
    assert told["Parameters"] == "7"
    assert told["Input"] == "the central 300 x 300 pixels of the picture, at 300 x 300 pixels, RGB"
    assert "erase where" in told["Attention at test time"]
    assert "100 %" in told["A person must look when"]
    without = description.model_copy(update={"test_time": TestTime(streams=("raw", "crop"), decision="mean")})
    assert "erase where" not in dict(facts.model_facts(without, None))["Attention at test time"]
    linear = description.model_copy(update={"architecture": Architecture(backbone="resnet18", head="linear")})
    assert "Attention at test time" not in dict(facts.model_facts(linear, None))
    assert dict(facts.model_facts(linear, None))["Streams at test time"] == "raw"


def test_nested_facts_are_text_in_their_own_order() -> None:
    assert facts.as_text({"b": {"z": 1, "a": "\u00fc"}, "a": None}) == "b:\n  z: 1\n  a: \u00fc\na: null\n"
