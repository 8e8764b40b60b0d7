from collections.abc import Callable
from typing import Any

import pytest

from lymphoscope.evaluation import Estimate
from lymphoscope.reports.sections import blast_share

Maker = Callable[..., Any]


def test_every_subject_has_a_dot_at_its_share(predictions: Maker, contents: Maker) -> None:
    level = contents(predictions()).metrics.subject_level
    assert level is not None
    axes = blast_share.blast_share_figure(level, "all", "lymphoblast").axes[0]
    dots = [line.get_xdata()[0] for line in axes.get_lines() if line.get_marker() == "o"]
    assert dots == sorted((row.share.value for row in level.subjects), reverse=True)
    names = {text.get_text() for text in axes.get_yticklabels()}
    assert names == {row.subject for row in level.subjects}


def test_without_subjects_or_blast_class_the_section_says_so(predictions: Maker, contents: Maker) -> None:
    nobody = blast_share.build(contents(predictions().assign(subject=None)))
    assert nobody.values["level"] is None
    assert nobody.values["blast"] == "lymphoblast"
    assert blast_share.build(contents(predictions(("a", "b")), None)).values["blast"] == ""


def test_subjects_are_in_natural_order(predictions: Maker, contents: Maker) -> None:
    section = blast_share.build(contents(predictions(subjects=12)))
    assert [row.subject for row in section.values["subjects"]] == [f"S{number}" for number in range(12)]


@pytest.mark.parametrize(
    ("low", "high", "enough", "expected"),
    [
        (0.3, 0.9, False, "above"),
        (0.0, 0.1, True, "below"),
        (0.0, 0.919, False, "too few cells"),
        (0.0, 0.919, True, "undecided"),
        (None, None, False, "too few cells"),
    ],
)
def test_side_is_decided_by_the_corrected_interval(
    predictions: Maker, contents: Maker, low: float | None, high: float | None, enough: bool, expected: str
) -> None:
    row = contents(predictions()).metrics.subject_level.subjects[0]
    changed = row.model_copy(update={"corrected": Estimate(value=0.5, low=low, high=high), "enough_cells": enough})
    assert blast_share.decision(changed, threshold=0.2) == expected
