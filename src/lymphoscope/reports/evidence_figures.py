"""Figures of the evidence: calibration, referral, shares of blasts, heat maps, shift; each from metrics.json alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lymphoscope.reports.evidence import change_name, map_name, signal_name
from lymphoscope.reports.plotting import BLUE, GREEN, GREY, INK, ORANGE, PALE, PURPLE, drawable, new_axes, styled

Metrics = Mapping[str, Any]

_WIDTH, _HEIGHT = 5.2, 4.2
_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, INK, "#56B4E9", "#E69F00")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 1)), "-", (0, (5, 2)))
_ACROSS = 3


@styled()
def reliability_figure(calibration: Metrics) -> Figure:
    """A dot a bin: the mean score across, the share that was right up."""
    figure, axes = new_axes(_WIDTH, _HEIGHT)
    bins = [each for each in calibration["bins"] if each["cells"]]
    most = max((each["cells"] for each in bins), default=1)
    areas = [16 + 180 * each["cells"] / most for each in bins]
    axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls=(0, (4, 3)), label="as often right as the score says")
    scores, right = [each["score"] for each in bins], [each["correct"] for each in bins]
    axes.plot(scores, right, color=BLUE, lw=1)
    axes.scatter(scores, right, s=areas, color=BLUE, ec="white", lw=0.8, zorder=3, label="this model", clip_on=False)
    axes.set(xlim=(min([0.5, *scores]) - 0.03, 1.02), ylim=(-0.02, 1.02))
    axes.set_xlabel("score of the class that was called")
    axes.set_ylabel("share called as labelled")
    axes.legend(loc="lower right", fontsize=9)
    return figure


@styled()
def trade_off_figure(ranked: Metrics) -> Figure:
    """Risk-coverage: errors among the kept cells, against the share kept; a line a signal, a cross for the rules."""
    figure, axes = new_axes(_WIDTH, _HEIGHT + 1)
    for signal, colour, dash in zip(ranked["signals"], _COLOURS, _DASHES, strict=False):
        coverage, risk = np.array(signal["curve"]).reshape(-1, 2).T
        axes.plot(coverage, risk, color=colour, ls=dash, lw=1.5, label=signal_name(signal["name"]))
    if ranked["point"] is not None:
        axes.plot(*ranked["point"], "X", color=ORANGE, ms=11, mec="white", zorder=5, label="this model\u2019s rules")
    axes.set(xlim=(0, 1.02))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("share of the cells that the model keeps")
    axes.set_ylabel("share of errors among them")
    axes.grid(axis="y", color=PALE, lw=0.8)
    figure.legend(fontsize=8, ncols=2, loc="outside lower center")
    return figure


@styled()
def blasts_figure(level: Metrics, blast: str) -> Figure:
    """The share of blasts of each subject with its exact interval, largest first, and the stated percentage."""
    rows = sorted(level["subjects"], key=lambda row: -(row["share"]["value"] or 0.0))
    figure, axes = new_axes(7.2, 1.3 + 0.2 * len(rows))
    for place, row in enumerate(rows):
        share, filled = row["share"], row["label"] == blast
        if share["low"] is not None:
            axes.plot([share["low"], share["high"]], [place, place], color=GREY, lw=1.4, zorder=1)
        axes.plot(
            share["value"], place, "o", ms=6, color=BLUE, mfc=BLUE if filled else "white", zorder=2, clip_on=False
        )
    axes.axvline(level["stated_percentage"] / 100, color=ORANGE, lw=1.2, ls=(0, (4, 3)))
    axes.set_yticks(range(len(rows)), [drawable(row["subject"], 14) for row in rows], fontsize=8)
    axes.set(xlim=(-0.01, 1.01), ylim=(len(rows) - 0.4, -0.6))
    axes.set_xlabel(f"share of the subject\u2019s cells called {drawable(blast, 14)}")
    return figure


@styled()
def subject_roc_figure(curve: Metrics) -> Figure:
    """Subjects told apart by their share of called blasts."""
    figure, axes = new_axes(_WIDTH, _WIDTH - 0.6)
    axes.plot(curve["false_positive"], curve["true_positive"], color=BLUE, lw=1.8, label="share of called blasts")
    axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls=(0, (4, 3)), label="guessing")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set_xlabel("other subjects taken for them")
    axes.set_ylabel("subjects with blasts found")
    axes.legend(loc="lower right", fontsize=9)
    return figure


@styled()
def maps_figure(tested: Metrics) -> Figure:
    """The score under deletion and insertion, a line a kind of map."""
    figure = Figure(figsize=(_WIDTH + 1, _HEIGHT - 0.8), layout="constrained")
    pair: Sequence[Axes] = figure.subplots(1, 2, sharey=True)
    for axes, kind in zip(pair, ("deletion", "insertion"), strict=True):
        for each, colour, dash in zip(tested["maps"], _COLOURS, _DASHES, strict=False):
            curve = each[f"{kind}_curve"]
            axes.plot(np.linspace(0, 1, len(curve)), curve, color=colour, ls=dash, lw=1.6, label=map_name(each["name"]))
        axes.set_xlabel("share of pixels taken away" if kind == "deletion" else "share of pixels brought in")
        axes.set(xlim=(0, 1), ylim=(-0.02, 1.02))
        axes.grid(axis="y", color=PALE, lw=0.8)
    pair[0].set_ylabel("score of the called class")
    pair[0].legend(fontsize=8)
    return figure


@styled()
def shift_figure(card: Metrics, classes: int) -> Figure:
    """Balanced accuracy against the strength of each change, a panel a change."""
    changes = list(dict.fromkeys(step["change"] for step in card["steps"]))
    down = -(-len(changes) // _ACROSS)
    figure = Figure(figsize=(9.4, 2.4 * down + 0.2), layout="constrained")
    panels = np.atleast_1d(figure.subplots(down, _ACROSS, sharex=True, sharey=True)).ravel()
    for axes, change in zip(panels, changes, strict=False):
        _shift_panel(axes, card, change, classes)
    for axes in panels[len(changes) :]:
        axes.set_visible(False)
    for row in range(down):
        panels[row * _ACROSS].set_ylabel("balanced accuracy", fontsize=9)
    return figure


def _shift_panel(axes: Axes, card: Metrics, change: str, classes: int) -> None:
    steps = [step for step in card["steps"] if step["change"] == change]
    levels = [0, *(step["level"] for step in steps)]
    entries = [card["unchanged"]["balanced_accuracy"], *(step["scores"]["balanced_accuracy"] for step in steps)]
    known = [(x, e) for x, e in zip(levels, entries, strict=True) if e["value"] is not None]
    axes.plot([x for x, _ in known], [e["value"] for _, e in known], color=BLUE, lw=1.4)
    for place, entry in known:
        if entry["low"] is not None:
            axes.plot([place, place], [entry["low"], entry["high"]], color=BLUE, lw=1, alpha=0.6)
        significant_drop = place > 0 and steps[levels.index(place) - 1]["significant_drop"]
        colour = ORANGE if significant_drop else BLUE
        axes.plot(place, entry["value"], "o", ms=6, color=colour, mfc="white" if significant_drop else colour, zorder=3)
    axes.axhline(1 / classes, color=GREY, lw=1, ls=(0, (1, 2)))
    axes.set(ylim=(0, 1.02), xticks=levels)
    axes.set_title(change_name(change), fontsize=10, loc="left")
    axes.set_xlabel("step", fontsize=9)
