from collections.abc import Callable
from typing import Any

import pytest

from lymphoscope.evaluation.schema import CorruptionStep, Metrics, Robustness
from lymphoscope.reports import render_report
from lymphoscope.reports.sections import robustness

Maker = Callable[..., Any]


def make_robustness(metrics: Metrics) -> Robustness:
    steps = [
        CorruptionStep(corruption=name, level=level, amount=f"{level} px", scores=metrics.vote, significant_drop=drop)
        for name, drop in (("blur", True), ("jpeg", False))
        for level in (1, 2)
    ]
    return Robustness(cells=48, uncorrupted=metrics.vote, steps=steps, note="on 48 cells")


def test_each_corruption_has_a_panel(predictions: Maker, contents: Maker) -> None:
    plain = contents(predictions())
    measured = make_robustness(plain.metrics)
    shown = contents(predictions(), metrics=plain.metrics.model_copy(update={"robustness": measured}))
    assert len(robustness.build(shown).values["panels"]) == 2
    row = robustness.corruption_rows(measured)[0]
    axes = robustness.corruption_figure(row, measured, 2).axes[0]
    assert axes.get_title(loc="left") == "Blur"
    assert len([line for line in axes.get_lines() if line.get_marker() == "o"]) == 3


@pytest.mark.slow
def test_drops_are_named_and_marked(predictions: Maker, contents: Maker) -> None:
    plain = contents(predictions())
    metrics = plain.metrics.model_copy(update={"robustness": make_robustness(plain.metrics)})
    html = render_report(contents(predictions(), metrics=metrics))
    assert "Balanced accuracy drops significantly under blur from 1 px." in html
    assert "No significant drop was found under JPEG, at any step tried." in html
    assert html.count('<span class="mark">drop</span>') == 2
    assert "Not measured here" in render_report(plain)


def test_a_corruption_without_a_title_is_named_by_its_key() -> None:
    assert robustness.corruption_title("motion_blur") == "Motion blur"
