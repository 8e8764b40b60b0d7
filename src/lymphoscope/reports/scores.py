"""metrics.json -> the rows, tiles and sentences of the report. Every number is one of the metrics, rounded."""

from collections.abc import Mapping
from typing import Any

from lymphoscope.evaluation import METRICS

NAMES = {
    "accuracy": "Accuracy",
    "weighted_f1": "Weighted F1",
    "auc": "AUC",
    "balanced_accuracy": "Balanced accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
}
STREAM_NAMES = {"raw": "Raw stream", "crop": "Crop stream", "erase": "Erase stream"}
NOTHING = "\u2013"
MANY_CLASSES = 5

Metrics = Mapping[str, Any]


def number(value: float | None) -> str:
    """Three decimals, or a dash for what cannot be had."""
    return NOTHING if value is None else f"{value:.3f}"


def interval(entry: Metrics) -> str:
    """The interval of a metric in words, empty where there is none."""
    return "" if entry.get("low") is None else f"{entry['low']:.3f} to {entry['high']:.3f}"


def tiles(metrics: Metrics) -> list[dict[str, str]]:
    """The four numbers at the head of the page, each with its interval and what guessing scores."""
    chosen = ("sensitivity", "specificity", "weighted_f1", "auc")
    if metrics["blast_class"] is None:
        chosen = ("accuracy", "balanced_accuracy", "weighted_f1", "auc")
    return [_tile(name, metrics) for name in chosen]


def score_rows(metrics: Metrics, decision: str) -> list[dict[str, Any]]:
    """A row a classifier: the model's answer, its streams where there are several, and the constant guesses."""
    names = shown_metrics(metrics)
    rows = [_row(decision, "", metrics["vote"], "answer", names)]
    if len(metrics["streams"]) > 1:
        rows += [
            _row(STREAM_NAMES[name], judged["note"] or "", judged, "stream", names)
            for name, judged in metrics["streams"].items()
        ]
    return rows + [
        _row(f"Always \u201c{label}\u201d", "", metrics["constant"][label], "guess", names)
        for label in guesses(metrics)
    ]


def shown_metrics(metrics: Metrics) -> list[str]:
    """The metrics that these classes can have: sensitivity and specificity are those of a blast class."""
    of_blast = ("sensitivity", "specificity")
    return [name for name in METRICS if metrics["blast_class"] is not None or name not in of_blast]


def guesses(metrics: Metrics) -> list[str]:
    """The constant classifiers to show: all, or of many classes the best by weighted F1 and the blast class's."""
    constant: Mapping[str, Any] = metrics["constant"]
    if len(constant) < MANY_CLASSES:
        return list(constant)
    best = max(constant, key=lambda label: constant[label]["weighted_f1"]["value"] or 0)
    return list(dict.fromkeys(label for label in (best, metrics["blast_class"]) if label is not None))


def reasons(metrics: Metrics) -> list[str]:
    """Why numbers or intervals are missing or say less than they seem to, a sentence each."""
    found: dict[str, list[str]] = {}
    for judged in (metrics["vote"], *metrics["streams"].values()):
        for name in shown_metrics(metrics):
            if reason := _caveat(judged[name]):
                found.setdefault(reason, []).append(NAMES[name])
    return [f"{', '.join(dict.fromkeys(names))} \u2013 {reason}." for reason, names in found.items()]


def headline(metrics: Metrics) -> str:
    """The result in one plain sentence."""
    entry = metrics["vote"]["accuracy"]
    if entry["value"] is None:
        return "No cell had both a label and an answer of the model, so nothing could be measured."
    correct = sum(metrics["confusion"]["matrix"][kind][kind] for kind in range(len(metrics["classes"])))
    whose = f" of {_counted(metrics['subjects'], 'subject')}" if metrics["subjects"] else ""
    return (
        f"The model called {correct:,} of {metrics['evaluated']:,} labelled cells{whose} as they are labelled "
        f"(accuracy {number(entry['value'])})."
    )


def verdict(metrics: Metrics, split_by: str) -> str | None:
    """Whether the numbers show more than guessing would; None where that cannot be asked.

    `split_by` is that of `data_summary`: after a random split a good score says little about new subjects.
    """
    entry = metrics["vote"]["balanced_accuracy"]
    guessing = 1 / len(metrics["classes"])
    if entry["value"] is None:
        return None
    if entry["low"] is None:
        return "Without an interval, these numbers do not show that the model does better than guessing."
    if entry["low"] <= guessing:
        return (
            f"These numbers do not show that the model does better than guessing: balanced accuracy may be as low as "
            f"{number(entry['low'])}, and guessing scores {number(guessing)}."
        )
    warning = " It says little about new subjects, because the split was random." if split_by == "random" else ""
    return (
        f"On these cells this is better than guessing: balanced accuracy is {number(entry['value'])} "
        f"({interval(entry)}), and guessing scores {number(guessing)}.{warning}"
    )


def how_intervals(metrics: Metrics) -> str:
    """How the intervals were computed, in one or two sentences."""
    drawn = metrics["bootstrap"]
    unit, level = drawn["unit"], f"{drawn['level']:.0%}".replace("%", " %")
    number_of_units = metrics["subjects"] if unit == "subject" else metrics["evaluated"]
    each = f"{number_of_units:,} {unit}s drawn anew, with replacement, class by class"
    whole = ", each with all of its cells" if unit == "subject" else ""
    sentence = (
        f"Intervals are {level} intervals from {drawn['replicates']:,} bootstrap replicates over {unit}s "
        f"({each}{whole}; seed {drawn['seed']}): the value, and on either side t times the spread of the replicates, "
        "on a scale that cannot leave 0 to 1."
    )
    return f"{sentence} Note: {drawn['note']}." if drawn["note"] else sentence


def definitions(metrics: Metrics) -> list[tuple[str, str]]:
    """Each number of the table, and what it means."""
    kinds, blast = len(metrics["classes"]), metrics["blast_class"]
    found = [
        ("Accuracy", "of all cells, the fraction called as labelled."),
        (
            "Weighted F1",
            "for each class the balance between its cells that were found and other cells taken for it, averaged over "
            "the classes by their number of cells (the challenge\u2019s WF1S).",
        ),
        ("AUC", _about_auc(metrics)),
        (
            "Balanced accuracy",
            f"the fraction called as labelled within each class, averaged over the {kinds} classes so that a rare one "
            f"counts as much as a common one; guessing scores {number(1 / kinds)}.",
        ),
    ]
    if blast is None:
        return found
    return [
        *found,
        ("Sensitivity", f"of the cells labelled \u201c{blast}\u201d, the fraction that the model called so."),
        ("Specificity", f"of the other cells, the fraction that the model did not call \u201c{blast}\u201d."),
    ]


def _about_auc(metrics: Metrics) -> str:
    tail = (
        "0.5 is guessing. It judges the score, the mean softmax of the streams, because a vote has none. "
        "The score says how certain the network is, on a scale of its own; it is not the chance of a disease."
    )
    if len(metrics["classes"]) > 2:
        return f"for each class, the chance that one of its cells scores above another cell, averaged; {tail}"
    name = metrics["blast_class"] or metrics["classes"][0]
    return f"the chance that a \u201c{name}\u201d cell scores higher for \u201c{name}\u201d than another cell; {tail}"


def _caveat(entry: Metrics) -> str | None:
    if reason := entry.get("reason"):
        return f"{'no value' if entry['value'] is None else 'no interval'}: {reason}"
    if entry["value"] in (0, 1) and entry["low"] is not None:
        return (
            "a bootstrap cannot show mistakes that did not happen here, so the interval ends where as many whole "
            "subjects could be otherwise without one having been seen (exact binomial)"
        )
    return None


def _tile(name: str, metrics: Metrics) -> dict[str, str]:
    entry = metrics["vote"][name]
    constant = [scores[name]["value"] for scores in metrics["constant"].values() if scores[name]["value"] is not None]
    # One constant guess has all the sensitivity and another all the specificity: no yardstick for either.
    fair = constant and name not in ("sensitivity", "specificity")
    return {
        "name": NAMES[name],
        "value": number(entry["value"]),
        "interval": interval(entry),
        "guess": f"the best constant guess scores {number(max(constant))}" if fair else "",
    }


def _row(name: str, note: str, scores: Metrics, kind: str, names: list[str]) -> dict[str, Any]:
    cells = [
        {"name": NAMES[metric], "value": number(scores[metric]["value"]), "interval": interval(scores[metric])}
        for metric in names
    ]
    return {"name": name, "note": note, "kind": kind, "cells": cells}


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
