from collections.abc import Callable
from typing import Any

import pytest

from lymphoscope.evaluation import Estimate
from lymphoscope.evaluation.schema import MapScore, Saliency
from lymphoscope.reports import render_report
from lymphoscope.reports.sections import saliency

Maker = Callable[..., Any]


def make_saliency() -> Saliency:
    one = Estimate(value=0.5, low=0.4, high=0.6)
    maps = [
        MapScore(name=name, deletion=one, insertion=one, deletion_curve=[0.9, 0.5, 0.1], insertion_curve=[0.1, 0.9])
        for name in ("attention", "grad_cam", "centre", "random")
    ]
    return Saliency(
        cells=64,
        steps=2,
        maps=maps,
        attention_minus_random_deletion=Estimate(value=-0.1),
        attention_minus_random_insertion=Estimate(value=0.1, reason="one subject"),
        verdict="The attention map is better than random maps.",
        note="on 64 cells",
    )


def test_each_map_has_a_line_in_both_panels() -> None:
    figure = saliency.saliency_figure(make_saliency())
    assert [len(axes.get_lines()) for axes in figure.axes] == [4, 4]
    assert figure.axes[0].get_lines()[0].get_ydata().tolist() == [0.9, 0.5, 0.1]


@pytest.mark.slow
def test_verdict_table_note_and_reasons_are_on_the_page(predictions: Maker, contents: Maker) -> None:
    metrics = contents(predictions()).metrics.model_copy(update={"saliency": make_saliency()})
    html = render_report(contents(predictions(), metrics=metrics))
    for text in ("better than random maps.", "Grad-CAM", "On 64 cells.", "no interval: one subject."):
        assert text in html
    assert "Not tested here" in render_report(contents(predictions()))
