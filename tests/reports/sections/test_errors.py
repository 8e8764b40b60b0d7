import base64
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from lymphoscope.evaluation import roc_of_predictions
from lymphoscope.reports.plotting import figure_uri
from lymphoscope.reports.sections import errors

Maker = Callable[..., Any]


def shapes(figure: Figure) -> int:
    svg = ElementTree.fromstring(base64.b64decode(figure_uri(figure).partition(",")[2]))  # noqa: S314
    return sum(element.tag.endswith(("path", "use", "image")) for element in svg.iter())


@pytest.mark.parametrize("num_classes", [2, 8, 20])
def test_confusion_matrix_shows_every_count(num_classes: int) -> None:
    matrix = np.arange(num_classes * num_classes).reshape(num_classes, num_classes).tolist()
    figure = errors.confusion_figure([f"class {index}" for index in range(num_classes)], matrix)
    written = [text.get_text().split("\n")[0] for text in figure.axes[0].texts]
    assert written == [str(count) for count in range(num_classes * num_classes)]
    assert shapes(figure) > num_classes * num_classes


def test_class_without_cells_has_a_row_of_zeros() -> None:
    figure = errors.confusion_figure(["all", "hem"], [[0, 0], [1, 3]])
    assert [text.get_text() for text in figure.axes[0].texts] == ["0\n0 %", "0\n0 %", "1\n25 %", "3\n75 %"]


def test_roc_figure_shows_the_curve_and_the_predictions(predictions: Maker) -> None:
    curve = roc_of_predictions(predictions(), blast_class="all")
    figure = errors.roc_figure(curve, (0.25, 0.75), "all")
    drawn = {str(line.get_label()): line.get_xydata().tolist() for line in figure.axes[0].get_lines()}
    assert drawn["score at every threshold"] == np.stack([curve.false_positive, curve.true_positive], 1).tolist()
    assert drawn["the model's predictions"] == [[0.25, 0.75]]
    assert shapes(figure) > 20


def test_figures_are_deterministic(predictions: Maker) -> None:
    curve = roc_of_predictions(predictions(), blast_class="all")
    first, again = (figure_uri(errors.roc_figure(curve, (0.1, 0.9), "all")) for _ in range(2))
    assert first == again


def test_axes_name_the_class_in_words(predictions: Maker) -> None:
    curve = roc_of_predictions(predictions(), blast_class="all")
    axes = errors.roc_figure(curve, None, "lymphoblast").axes[0]
    assert axes.get_ylabel() == "lymphoblast cells found  (sensitivity)"
    ticks = errors.confusion_figure(["all (lymphoblast)", "hem (normal)"], [[1, 0], [0, 1]]).axes[0].get_yticklabels()
    assert [tick.get_text() for tick in ticks] == ["all\n(lymphoblast)", "hem\n(normal)"]


@pytest.mark.parametrize(
    "labels", [["all (lymphoblast)", "hem (normal)"], ["all", "hem"], [f"kind {n} (title {n})" for n in range(11)]]
)
def test_nothing_of_the_confusion_matrix_is_cut_off(labels: list[str]) -> None:
    figure = errors.confusion_figure(labels, np.ones((len(labels), len(labels)), dtype=int).tolist())
    figure_uri(figure)  # lays it out
    left, bottom, right, top = figure.get_tightbbox().extents
    width, height = figure.get_size_inches()
    assert min(left, bottom) >= 0
    assert (right <= width, top <= height) == (True, True)


def test_the_caption_says_where_the_band_begins_and_why(predictions: Maker, contents: Maker) -> None:
    """It began at 0, and held the curve there in 79 to 90 % of simulated studies with a few exceptional subjects."""
    table = predictions()
    (figure,) = (each for each in errors.build(contents(table)).values.values() if "ROC" in str(each))
    curve = roc_of_predictions(table, blast_class="all")
    assert f"There is none below {curve.band_from:.2f} on the horizontal axis: {curve.reason}" in figure.caption
    (band,) = errors.roc_figure(curve, None, "all").axes[0].collections
    assert band.get_paths()[0].get_extents().x0 == pytest.approx(curve.band_from)


def test_the_caption_says_why_there_is_no_band(predictions: Maker, contents: Maker) -> None:
    table = predictions()
    table = table[
        (table["label"] == "all") | (table["subject"] == table.loc[table["label"] == "hem", "subject"].iloc[0])
    ]
    (figure,) = (each for each in errors.build(contents(table)).values.values() if "ROC" in str(each))
    assert "It has no band: only one subject" in figure.caption
    assert not errors.roc_figure(roc_of_predictions(table, blast_class="all"), None, "all").axes[0].collections
