"""Charts of a grid's result: scores with their intervals, scores by network size, errors by epoch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lymphoscope.experiments.columns import FinishedGrid, FinishedRun
from lymphoscope.experiments.result import Figure as ResultFigure, Result, Row
from lymphoscope.files import written_beside
from lymphoscope.reports.plotting import BLUE, GREY, ORANGE, PALE, drawable, new_axes, styled

SCORE, FOLD_SCORE = "weighted_f1", "fold_weighted_f1"


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format of its suffix, whole or not at all."""
    with written_beside(path) as beside:
        figure.savefig(beside, format=path.suffix[1:], metadata={"Date": None} if path.suffix == ".svg" else None)


def add_scores_chart(result: Result, grid: FinishedGrid) -> Result:
    """One dot per row with its interval, and the paper's number if it prints one."""
    rows = [row for row in result.rows if row.ours[SCORE].value is not None]
    if not rows:
        return result
    save_figure(_scores(rows), grid.request.out / "scores.svg")
    caption = "WF1S of the held-out cells of all folds together, with its 95 % interval over subjects."
    published = {key for row in rows for key in row.published}
    if published & {SCORE, FOLD_SCORE}:
        caption += f" Diamonds are the paper's numbers{', means over its folds' if FOLD_SCORE in published else ''}."
    alt_text = "WF1S by run; the table has the numbers."
    figure = ResultFigure(file="scores.svg", caption=caption, alt_text=alt_text)
    return result.model_copy(update={"figures": [*result.figures, figure]})


def add_depth_chart(result: Result, grid: FinishedGrid) -> Result:
    """Figure 6: WF1S by number of parameters, with and without WT-DFN."""
    rows = [row for row in result.rows if row.ours[SCORE].value is not None]
    if not rows:
        return result
    plain = [row for row in rows if "WT-DFN" not in row.name]
    ternary = [row for row in rows if "WT-DFN" in row.name]
    save_figure(_depths(plain, ternary), grid.request.out / "depths.svg")
    caption = (
        "WF1S of the held-out cells by the size of the network. Bars are 95 % intervals over subjects, where there are "
        "any; points are shifted a little so that neither hides the other."
    )
    alt_text = "WF1S by parameters; the table has the numbers."
    figure = ResultFigure(file="depths.svg", caption=caption, alt_text=alt_text)
    return result.model_copy(update={"figures": [*result.figures, figure]})


def add_error_chart(result: Result, grid: FinishedGrid) -> Result:
    """Figure 7: the error curves of both models."""
    with_curves = [each for each in grid.runs.values() if each.error_curves is not None]
    if not with_curves:
        return result
    save_figure(_errors(with_curves), grid.request.out / "errors.svg")
    caption = "Error by epoch: solid on the training cells, dashed on the test cells, which choose nothing."
    alt_text = "Error by epoch; errors.csv of each run has the numbers."
    figure = ResultFigure(file="errors.svg", caption=caption, alt_text=alt_text)
    return result.model_copy(update={"figures": [*result.figures, figure]})


@styled()
def _scores(rows: list[Row]) -> Figure:
    figure, axes = new_axes(8.2, 1.2 + 0.42 * len(rows))
    for index, row in enumerate(rows):
        score = row.ours[SCORE]
        if score.low is not None and score.high is not None:
            axes.plot([score.low, score.high], [index, index], color=BLUE, lw=2, alpha=0.5)
        axes.plot([float(score.value or 0)], [index], "o", color=BLUE, ms=7, label="ours" if not index else None)
        published = row.published.get(FOLD_SCORE, row.published.get(SCORE))
        if published is not None:
            axes.plot([published], [index], "D", color=ORANGE, ms=6, label="paper" if not index else None)
    axes.set_yticks(range(len(rows)), [drawable(row.name, 40) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="x", color=PALE, lw=0.8)
    axes.set_xlabel("WF1S, %")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9)
    return figure


@styled()
def _depths(plain: list[Row], ternary: list[Row]) -> Figure:
    figure, axes = new_axes(6.4, 4.0)
    for rows, label, colour, shift in ((plain, "without", GREY, 0.985), (ternary, "with WT-DFN", BLUE, 1.015)):
        x = np.array([float(row.ours["parameters"].value or 0) * shift for row in rows])
        values = [float(row.ours[SCORE].value or 0) for row in rows]
        axes.plot(x, values, "o-", color=colour, label=label)
        for position, row in zip(x, rows, strict=True):
            low, high = row.ours[SCORE].low, row.ours[SCORE].high
            if low is not None and high is not None:
                axes.plot([position, position], [low, high], color=colour, alpha=0.5)
    axes.set(xlabel="parameters, million", ylabel="WF1S, %")
    axes.grid(axis="y", color=PALE, lw=0.8)
    axes.legend(loc="best", fontsize=9)
    return figure


@styled()
def _errors(runs: Sequence[FinishedRun]) -> Figure:
    figure, axes = new_axes(6.8, 4.0)
    for finished, colour in zip(runs, (GREY, BLUE), strict=False):
        curves = finished.error_curves
        assert curves is not None  # noqa: S101  # chosen so by the caller
        title = drawable(finished.run.definition.title)
        for name, style, label in (("train_error", "-", "training"), ("test_error", "--", "test")):
            axes.plot(
                curves["epoch"], 100 * curves[name], ls=style, marker=".", color=colour, label=f"{title}, {label}"
            )
    axes.set(xlabel="epoch", ylabel="error, %", ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color=PALE, lw=0.8)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9)
    return figure
