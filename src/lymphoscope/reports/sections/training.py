"""The training curves."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lymphoscope.reports.contents import ReportContents
from lymphoscope.reports.plotting import BLUE, ORANGE, PALE, new_axes, styled
from lymphoscope.reports.registry import PageFigure, Section, SectionDefinition, page_figure

_LOSSES = {"train_loss": ("training", BLUE), "validation_loss": ("validation", ORANGE)}
_SCORES = {"validation_weighted_f1": ("weighted F1", BLUE), "validation_accuracy": ("accuracy", ORANGE)}
_WIDTH, _HEIGHT = 5.2, 3.6
_MOST_MARKERS = 30


def build(contents: ReportContents) -> Section | None:
    """Show loss and validation scores by epoch; left out if no training belongs to this report."""
    figures = [] if contents.curves is None else [_loss(contents.curves), _scores(contents.curves)]
    shown = [figure for figure in figures if figure is not None]
    return Section("Training", _TEMPLATE, {"figures": shown}) if shown else None


def _loss(curves: pd.DataFrame) -> PageFigure | None:
    return page_figure(
        loss_figure(curves),
        alt="Training and validation loss by epoch.",
        caption=(
            "The loss is what training minimises. A validation loss that rises while the training loss falls is a sign "
            "of overfitting."
        ),
    )


def _scores(curves: pd.DataFrame) -> PageFigure | None:
    return page_figure(
        validation_figure(curves),
        alt="Validation scores by epoch.",
        caption=(
            "Scores on the validation cells, which decide when to stop. They are not the result, which is measured on "
            "cells that took no part in training."
        ),
    )


@styled()
def loss_figure(curves: pd.DataFrame) -> Figure | None:
    """Training and validation loss by epoch; None if the table has neither."""
    return _line_figure(curves, _LOSSES, "loss (lower is better)")


@styled()
def validation_figure(curves: pd.DataFrame) -> Figure | None:
    """Weighted F1 and accuracy on the validation cells by epoch; None if the table has neither."""
    figure = _line_figure(curves, _SCORES, "on validation cells (higher is better)")
    if figure:
        figure.axes[0].set_ylim(-0.02, 1.02)
    return figure


def _line_figure(curves: pd.DataFrame, lines: Mapping[str, tuple[str, str]], y_label: str) -> Figure | None:
    shown = {name: line for name, line in lines.items() if name in curves and curves[name].notna().any()}
    if not shown:
        return None
    figure, axes = new_axes(_WIDTH, _HEIGHT)
    runs = [run for _, run in curves.groupby("fold")] if "fold" in curves else [curves]
    for name, (label, colour) in shown.items():
        for index, run in enumerate(runs):
            measured = run[run[name].notna()]
            marker = "o" if len(measured) <= _MOST_MARKERS else None
            legend = label if index == 0 else None
            axes.plot(measured["epoch"], measured[name], color=colour, lw=1.6, marker=marker, ms=4, label=legend)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch (one pass over the training cells)")
    axes.set_ylabel(y_label)
    axes.grid(axis="y", color=PALE, lw=0.8)
    axes.legend(fontsize=9)
    return figure


_TEMPLATE = """
<div class="pair">
{% for shown in figures %}
{{ figure(shown) }}
{% endfor %}
</div>
"""

SECTION = SectionDefinition(title="Training", anchor="training", order=120, build=build)
