"""The pictures of grids: scores with their intervals, scores by depth, errors by epoch."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lymphoscope.experiments.columns import Finished
from lymphoscope.experiments.request import Request
from lymphoscope.experiments.result import Picture, Result, Row
from lymphoscope.files import written_beside
from lymphoscope.reports.plotting import BLUE, GREY, ORANGE, PALE, drawable, new_axes, styled

SCORE, OF_FOLDS = "weighted_f1", "fold_weighted_f1"


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as SVG by the suffix of its path, whole or not at all."""
    with written_beside(path) as beside:
        figure.savefig(beside, format=path.suffix[1:], metadata={"Date": None} if path.suffix == ".svg" else None)


def with_scores(result: Result, request: Request) -> Result:
    """A dot a row with its interval, and the paper's number where there is one."""
    shown = [row for row in result.rows if row.ours[SCORE].value is not None]
    if not shown:
        return result
    save_figure(_scores(shown), request.out / "scores.svg")
    caption = "WF1S of the held-out cells of all folds together, with its 95 % interval over subjects."
    printed = {key for row in shown for key in row.published}
    if printed & {SCORE, OF_FOLDS}:
        caption += f" Diamonds are what the paper prints{', a mean over its folds' if OF_FOLDS in printed else ''}."
    picture = Picture(file="scores.svg", caption=caption, alternative="WF1S by run; the table has the numbers.")
    return result.model_copy(update={"pictures": [*result.pictures, picture]})


def with_depths(result: Result, request: Request) -> Result:
    """Figure 6: WF1S by parameters, with and without."""
    rows = {row.name: row for row in result.rows if row.ours[SCORE].value is not None}
    plain = [row for name, row in rows.items() if "WT-DFN" not in name]
    ternary = [row for name, row in rows.items() if "WT-DFN" in name]
    if not rows:
        return result
    save_figure(_depths(plain, ternary), request.out / "depths.svg")
    caption = (
        "WF1S of the held-out cells by the size of the network. Bars are 95 % intervals over subjects, where there are "
        "any; points stand a little aside of their size, so that neither covers the other."
    )
    picture = Picture(file="depths.svg", caption=caption, alternative="WF1S by parameters; the table has the numbers.")
    return result.model_copy(update={"pictures": [picture]})


def with_errors(result: Result, request: Request, done: Mapping[str, Finished]) -> Result:
    """Figure 7: the error curves of both models."""
    drawn = {name: finished for name, finished in done.items() if finished.errors is not None}
    if not drawn:
        return result
    save_figure(_errors(drawn), request.out / "errors.svg")
    caption = (
        "Error by epoch: solid on the training cells, dashed on the test cells; nothing chooses by the dashed lines."
    )
    picture = Picture(file="errors.svg", caption=caption, alternative="Error by epoch; errors.csv of each run has it.")
    return result.model_copy(update={"pictures": [picture]})


@styled()
def _scores(rows: list[Row]) -> Figure:
    figure, axes = new_axes(8.2, 1.2 + 0.42 * len(rows))
    for place, row in enumerate(rows):
        score = row.ours[SCORE]
        if score.low is not None and score.high is not None:
            axes.plot([score.low, score.high], [place, place], color=BLUE, lw=2, alpha=0.5)
        axes.plot([float(score.value or 0)], [place], "o", color=BLUE, ms=7, label="ours" if not place else None)
        printed = row.published.get(OF_FOLDS, row.published.get(SCORE))
        if printed is not None:
            axes.plot([printed], [place], "D", color=ORANGE, ms=6, label="paper" if not place else None)
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
        across = np.array([float(row.ours["parameters"].value or 0) * shift for row in rows])
        values = [float(row.ours[SCORE].value or 0) for row in rows]
        axes.plot(across, values, "o-", color=colour, label=label)
        for place, row in zip(across, rows, strict=True):
            low, high = row.ours[SCORE].low, row.ours[SCORE].high
            if low is not None and high is not None:
                axes.plot([place, place], [low, high], color=colour, alpha=0.5)
    axes.set(xlabel="parameters, million", ylabel="WF1S, %")
    axes.grid(axis="y", color=PALE, lw=0.8)
    axes.legend(loc="best", fontsize=9)
    return figure


@styled()
def _errors(done: Mapping[str, Finished]) -> Figure:
    figure, axes = new_axes(6.8, 4.0)
    for finished, colour in zip(done.values(), (GREY, BLUE), strict=False):
        errors = finished.errors
        assert errors is not None  # noqa: S101  # chosen so by the caller
        title = drawable(finished.run.definition.title)
        for name, dash, label in (("train_error", "-", "training"), ("test_error", "--", "test")):
            axes.plot(errors["epoch"], 100 * errors[name], ls=dash, marker=".", color=colour, label=f"{title}, {label}")
    axes.set(xlabel="epoch", ylabel="error, %", ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color=PALE, lw=0.8)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9)
    return figure
