from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lymphoscope.reports.plotting import figure_uri
from lymphoscope.reports.sections import training


def lines(figure: Figure) -> dict[str, list[float]]:
    return {str(line.get_label()): list(line.get_ydata()) for line in figure.axes[0].get_lines()}


def test_only_measured_curves_are_drawn() -> None:
    curves = pd.DataFrame(
        {"epoch": [1, 2, 3], "train_loss": [0.9, 0.6, 0.5], "validation_loss": [0.8, np.nan, 0.7], "seconds": 1.0}
    )
    figure = training.loss_figure(curves)
    assert lines(figure) == {"training": [0.9, 0.6, 0.5], "validation": [0.8, 0.7]}
    assert figure_uri(figure).startswith("data:image/svg+xml")
    assert training.validation_figure(curves) is None
    assert training.loss_figure(pd.DataFrame({"epoch": []})) is None


def test_each_fold_has_its_own_curve() -> None:
    curves = pd.DataFrame({"fold": [0, 0, 1, 1], "epoch": [1, 2, 1, 2], "validation_accuracy": [0.5, 0.6, 0.7, 0.8]})
    drawn = [list(line.get_ydata()) for line in training.validation_figure(curves).axes[0].get_lines()]
    assert drawn == [[0.5, 0.6], [0.7, 0.8]]


def test_one_epoch_is_drawn() -> None:
    figure = training.loss_figure(pd.DataFrame({"epoch": [1], "train_loss": [0.5]}))
    assert lines(figure) == {"training": [0.5]}


def test_section_is_left_out_without_curves(predictions: Callable[..., Any], contents: Callable[..., Any]) -> None:
    assert training.build(contents(predictions())) is not None
    assert training.build(contents(predictions(), curves=None)) is None
