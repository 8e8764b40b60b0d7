import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from lymphoscope.evaluation import Leakage
from lymphoscope.reports.banners import is_loud, page_banners

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
    assert is_loud(notice) is loud


def test_a_random_split_has_one_banner_with_or_without_its_notice(predictions: Maker, contents: Maker) -> None:
    plain = contents(predictions())
    random = plain.data.split.model_copy(update={"by": "random"})
    for notices in ([], ["RANDOM SPLIT: cells were dealt without regard to subjects"]):
        data = plain.data.model_copy(update={"split": random, "notices": notices})
        assert [banner.title for banner in page_banners(dataclasses.replace(plain, data=data))] == ["Random split"]
    assert page_banners(plain) == []


@pytest.mark.parametrize(
    ("checked", "reason", "title", "severe"),
    [
        ([], "predictions alone do not say what the model was trained on", "Leaks not checked", True),
        (["subjects"], "the model keeps no fingerprints", "Leaks only partly checked", False),
    ],
)
def test_unchecked_leaks_have_a_banner(
    predictions: Maker, contents: Maker, checked: list[str], reason: str, title: str, severe: bool
) -> None:
    plain = contents(predictions())
    leakage = Leakage(checked=checked, allowed=False, leaking_cells=0, leaks=[], reason=reason)
    metrics = plain.metrics.model_copy(update={"leakage": leakage})
    (banner,) = page_banners(dataclasses.replace(plain, metrics=metrics))
    assert (banner.title, banner.severe) == (title, severe)
    assert reason[1:] in banner.text
    (without,) = page_banners(dataclasses.replace(plain, metrics=plain.metrics.model_copy(update={"leakage": None})))
    assert without.title == "Leaks not checked"
