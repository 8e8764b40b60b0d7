from collections.abc import Callable
from typing import Any

import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex

from lymphoscope.reports.sections import blast_share

Maker = Callable[..., Any]


def test_every_subject_has_a_dot_at_its_share(predictions: Maker, contents: Maker) -> None:
    level = contents(predictions()).metrics.subject_level
    assert level is not None
    axes = blast_share.blast_share_figure(level, "all", "lymphoblast").axes[0]
    bars, dots = axes.collections
    assert isinstance(bars, LineCollection)
    rows = sorted(level.subjects, key=lambda row: row.share.value, reverse=True)
    assert dots.get_offsets().tolist() == [[row.share.value, y] for y, row in enumerate(rows)]
    ends = [[tuple(end) for end in bar] for bar in bars.get_segments()]
    assert ends == [[(row.share.low, y), (row.share.high, y)] for y, row in enumerate(rows)]
    fills = {to_hex(fill) == "#ffffff" for fill in dots.get_facecolors()}
    assert fills == {False, True}  # hollow where the label is another class
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
    ("side", "enough", "expected"),
    [
        ("above", False, "above"),
        ("below", True, "below"),
        ("undecided", False, "too few cells"),
        ("undecided", True, "undecided"),
    ],
)
def test_page_shows_the_side_of_metrics_json(
    predictions: Maker, contents: Maker, side: str, enough: bool, expected: str
) -> None:
    row = contents(predictions()).metrics.subject_level.subjects[0]
    assert blast_share.decision(row.model_copy(update={"side": side, "enough_cells": enough})) == expected


def test_decision_curve_has_a_panel_per_prevalence(predictions: Maker, contents: Maker) -> None:
    level = contents(predictions()).metrics.subject_level
    figure = blast_share.decision_curve_figure(level.decision_curves)
    assert len(figure.axes) == len(level.decision_curves) == 3
    line = next(line for line in figure.axes[0].get_lines() if line.get_label() == "share of blasts")
    assert list(line.get_ydata()) == [point.net_benefit.value for point in level.decision_curves[0].points]
