"""The report's figures; each is drawn from numbers that stand in the page or beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lymphoscope.evaluation import RocCurve
from lymphoscope.reports.plotting import BLUE, GREY, INK, ORANGE, PALE, drawable, new_axes, styled

LOSSES = {"train_loss": ("training", BLUE), "validation_loss": ("validation", ORANGE)}
QUALITIES = {"validation_weighted_f1": ("weighted F1", BLUE), "validation_accuracy": ("accuracy", ORANGE)}

_WIDTH, _HEIGHT = 5.2, 3.6
_NAMED_SUBJECTS = 5
_COUNTS_WITH_SHARES = 4


@styled()
def loss_figure(curves: pd.DataFrame) -> Figure | None:
    """Training and validation loss by epoch; None where the table has neither."""
    return _curves(curves, LOSSES, "loss (lower is better)")


@styled()
def quality_figure(curves: pd.DataFrame) -> Figure | None:
    """Weighted F1 and accuracy of the validation cells by epoch; None where the table has neither."""
    figure = _curves(curves, QUALITIES, "on validation cells (higher is better)")
    if figure:
        figure.axes[0].set_ylim(-0.02, 1.02)
    return figure


@styled()
def confusion_figure(labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> Figure:
    """Counts (K, K), rows the label, columns what was called, coloured by the share of the row."""
    counts = np.asarray(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(3 + 0.4 * len(labels), 9)
    figure, axes = new_axes(side + 0.6, side)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        _write_count(axes, row, column, int(counts[row, column]), float(shares[row, column]), len(labels))
    names = [drawable(label, 14) for label in labels]
    axes.set_xticks(range(len(names)), names, rotation=0 if len(names) <= _COUNTS_WITH_SHARES else 60)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("the model called the cell")
    axes.set_ylabel("label")
    axes.spines[:].set_visible(False)
    return figure


@styled()
def roc_figure(curve: RocCurve, vote: tuple[float, float], blast: str) -> Figure:
    """The curve with its band; `vote` is the false and the true positive rate of the labels that were voted."""
    figure, axes = new_axes(_WIDTH, _WIDTH - 0.6)
    axes.fill_between(curve.grid, curve.low, curve.high, color=BLUE, alpha=0.2, lw=0, label="95 % band")
    axes.plot(curve.false_positive, curve.true_positive, color=BLUE, lw=1.8, label="the score, cut at any height")
    axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls=(0, (4, 3)), label="guessing")
    axes.plot(*vote, "D", color=ORANGE, ms=8, mec="white", clip_on=False, zorder=5, label="the model's answers")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set_xlabel(f"other cells called {drawable(blast, 14)}  (1 - specificity)")
    axes.set_ylabel(f"{drawable(blast, 14)} cells found  (sensitivity)")
    axes.legend(loc="lower right", fontsize=9)
    return figure


@styled()
def subjects_figure(subjects: Sequence[Mapping[str, Any]], overall: float) -> Figure:
    """The fraction of each subject's cells that were called as labelled: a dot a subject, its area by its cells."""
    labels = sorted({row["label"] for row in subjects})
    figure, axes = new_axes(max(_WIDTH, 1.5 + 0.65 * len(labels)), _HEIGHT)
    for place, label in enumerate(labels):
        rows = [row for row in subjects if row["label"] == label]
        across = place + _spread(len(rows))
        heights = np.array([row["accuracy"]["value"] for row in rows])
        areas = [14 + 110 * row["cells"] / max(other["cells"] for other in subjects) for row in rows]
        axes.scatter(across, heights, s=areas, color=BLUE, alpha=0.7, ec="white", lw=0.8, clip_on=False, zorder=3)
        _name_lowest(axes, rows, across, overall)
    axes.axhline(overall, color=ORANGE, lw=1.2, ls=(0, (4, 3)), zorder=1)
    axes.annotate("all cells", (1, overall), xycoords=("axes fraction", "data"), color=ORANGE, fontsize=9, va="center")
    tilt = 0 if len(labels) <= _COUNTS_WITH_SHARES else 45
    axes.set_xticks(range(len(labels)), [drawable(label, 14) for label in labels], rotation=tilt)
    lowest = min(row["accuracy"]["value"] for row in subjects)
    axes.set(xlim=(-0.6, len(labels) - 0.4), ylim=(min(0.75, np.floor(5 * lowest) / 5 - 0.03), 1.03))
    axes.set_xlabel("label of the subject's cells")
    axes.set_ylabel("fraction called as labelled")
    axes.grid(axis="y", color=PALE, lw=0.8)
    return figure


def _curves(curves: pd.DataFrame, lines: Mapping[str, tuple[str, str]], height: str) -> Figure | None:
    shown = {name: line for name, line in lines.items() if name in curves and curves[name].notna().any()}
    if not shown:
        return None
    figure, axes = new_axes(_WIDTH, _HEIGHT)
    runs = [run for _, run in curves.groupby("fold")] if "fold" in curves else [curves]
    for name, (label, colour) in shown.items():
        for number, run in enumerate(runs):
            known = run[run[name].notna()]
            marker = "o" if len(known) <= 30 else None
            mark = label if number == 0 else None
            axes.plot(known["epoch"], known[name], color=colour, lw=1.6, marker=marker, ms=4, label=mark)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch (one pass over the training cells)")
    axes.set_ylabel(height)
    axes.grid(axis="y", color=PALE, lw=0.8)
    axes.legend(fontsize=9)
    return figure


def _write_count(axes: Axes, row: int, column: int, count: int, share: float, kinds: int) -> None:
    text = f"{count:,}\n{100 * share:.0f} %" if kinds <= _COUNTS_WITH_SHARES else f"{count}"
    size = 12 if kinds <= _COUNTS_WITH_SHARES else max(5, 11 - kinds // 4)
    axes.text(column, row, text, ha="center", va="center", fontsize=size, color="white" if share > 0.5 else INK)


def _spread(number: int) -> NDArray[np.float64]:
    # Steps of the golden ratio fill a strip evenly, without chance.
    return np.asarray((np.arange(number) * 0.618034 % 1 - 0.5) * (0.5 if number > 1 else 0), dtype=np.float64)


def _name_lowest(axes: Axes, rows: Sequence[Mapping[str, Any]], across: NDArray[np.float64], overall: float) -> None:
    heights = [row["accuracy"]["value"] for row in rows]
    lowest = sorted(range(len(rows)), key=lambda index: (heights[index], -rows[index]["cells"]))
    for index in [index for index in lowest if heights[index] < overall][:_NAMED_SUBJECTS]:
        point = (across[index], heights[index])
        name = drawable(rows[index]["subject"], 10)
        axes.annotate(name, point, xytext=(7, 0), textcoords="offset points", fontsize=8, va="center", color=GREY)
