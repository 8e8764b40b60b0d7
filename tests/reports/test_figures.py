import base64
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from lymphoscope.evaluation import evaluate_predictions, roc_of_predictions
from lymphoscope.reports import figures
from lymphoscope.reports.plotting import figure_uri

Maker = Callable[..., Any]


def shapes(figure: Figure) -> int:
    svg = ElementTree.fromstring(base64.b64decode(figure_uri(figure).partition(",")[2]))  # noqa: S314
    return sum(element.tag.endswith(("path", "use", "image")) for element in svg.iter())


def lines(figure: Figure) -> dict[str, list[float]]:
    return {str(line.get_label()): list(line.get_ydata()) for line in figure.axes[0].get_lines()}


def test_curves_show_what_was_measured_and_only_that() -> None:
    curves = pd.DataFrame(
        {"epoch": [1, 2, 3], "train_loss": [0.9, 0.6, 0.5], "validation_loss": [0.8, np.nan, 0.7], "seconds": 1.0}
    )
    figure = figures.loss_figure(curves)
    assert lines(figure) == {"training": [0.9, 0.6, 0.5], "validation": [0.8, 0.7]}
    assert shapes(figure) > 20
    assert figures.quality_figure(curves) is None
    assert figures.loss_figure(pd.DataFrame({"epoch": []})) is None


def test_curves_of_folds_are_lines_of_their_own() -> None:
    curves = pd.DataFrame({"fold": [0, 0, 1, 1], "epoch": [1, 2, 1, 2], "validation_accuracy": [0.5, 0.6, 0.7, 0.8]})
    drawn = [list(line.get_ydata()) for line in figures.quality_figure(curves).axes[0].get_lines()]
    assert drawn == [[0.5, 0.6], [0.7, 0.8]]


def test_one_epoch_is_a_curve_too() -> None:
    assert shapes(figures.loss_figure(pd.DataFrame({"epoch": [1], "train_loss": [0.5]}))) > 10


@pytest.mark.parametrize("kinds", [2, 8, 20])
def test_the_confusion_matrix_writes_every_count(kinds: int) -> None:
    matrix = np.arange(kinds * kinds).reshape(kinds, kinds).tolist()
    figure = figures.confusion_figure([f"class {kind}" for kind in range(kinds)], matrix)
    written = [text.get_text().split("\n")[0] for text in figure.axes[0].texts]
    assert written == [str(count) for count in range(kinds * kinds)]
    assert shapes(figure) > kinds * kinds


def test_a_class_without_cells_has_a_row_of_noughts() -> None:
    figure = figures.confusion_figure(["all", "hem"], [[0, 0], [1, 3]])
    assert [text.get_text() for text in figure.axes[0].texts] == ["0\n0 %", "0\n0 %", "1\n25 %", "3\n75 %"]


def test_the_roc_figure_holds_the_curve_and_the_answers(predictions: Maker) -> None:
    curve = roc_of_predictions(predictions(), blast_class="all")
    figure = figures.roc_figure(curve, (0.25, 0.75), "all")
    drawn = {str(line.get_label()): line.get_xydata().tolist() for line in figure.axes[0].get_lines()}
    assert drawn["the score, cut at any height"] == np.stack([curve.false_positive, curve.true_positive], 1).tolist()
    assert drawn["the model's answers"] == [[0.25, 0.75]]
    assert shapes(figure) > 20


def test_each_subject_is_a_dot_at_its_fraction(predictions: Maker) -> None:
    rows = evaluate_predictions(predictions(subjects=13), blast_class="all", replicates=5).model_dump()["per_subject"]
    figure = figures.subjects_figure(rows, overall=0.7)
    heights = np.concatenate([dots.get_offsets()[:, 1] for dots in figure.axes[0].collections])
    assert sorted(heights) == pytest.approx(sorted(row["accuracy"]["value"] for row in rows))
    low, high = figure.axes[0].get_ylim()
    assert low < heights.min()
    assert high > heights.max()
    lowest = min(rows, key=lambda row: row["accuracy"]["value"])["subject"]
    assert lowest in {text.get_text() for text in figure.axes[0].texts}


def test_figures_are_the_same_each_time(predictions: Maker) -> None:
    curve = roc_of_predictions(predictions(), blast_class="all")
    first, again = (figure_uri(figures.roc_figure(curve, (0.1, 0.9), "all")) for _ in range(2))
    assert first == again
