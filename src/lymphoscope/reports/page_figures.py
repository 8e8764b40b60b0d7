"""The figures of a report's page, each with the words for who cannot see it; None where there is nothing to draw."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lymphoscope.evaluation import RocCurve
from lymphoscope.reports import evidence_figures, figures
from lymphoscope.reports.contents import ReportContents
from lymphoscope.reports.plotting import figure_uri
from lymphoscope.reports.scores import number

Shown = dict[str, str]


def page_figures(contents: ReportContents, curve: RocCurve | None) -> dict[str, Shown | None]:
    """Every figure of the page by name, as a data URI with an alternative text."""
    return {**_of_scores(contents, curve), **_of_training(contents), **_of_evidence(contents.metrics)}


def area_under(curve: RocCurve | None) -> str:
    """The area under a ROC curve, rounded as the page's numbers are."""
    return number(None if curve is None else float(np.trapezoid(curve.true_positive, curve.false_positive)))


def _of_scores(contents: ReportContents, curve: RocCurve | None) -> dict[str, Shown | None]:
    metrics = contents.metrics
    overall, rows = metrics["vote"]["accuracy"]["value"], metrics["per_subject"]
    labels, matrix = metrics["confusion"]["labels"], metrics["confusion"]["matrix"]
    confusion = None if overall is None else figures.confusion_figure(labels, matrix)
    subjects = figures.subjects_figure(rows, overall) if rows else None
    return {
        "confusion": _shown(confusion, "Confusion matrix; the same counts stand in the table beside it."),
        "roc": _shown(_roc(curve, metrics), f"ROC curve of {metrics['blast_class']}, area {area_under(curve)}."),
        "subjects": _shown(subjects, "A dot a subject: fraction of its cells called as labelled; the table has them."),
    }


def _of_training(contents: ReportContents) -> dict[str, Shown | None]:
    curves = contents.curves
    loss = None if curves is None else figures.loss_figure(curves)
    quality = None if curves is None else figures.quality_figure(curves)
    return {
        "loss": _shown(loss, "Training and validation loss by epoch."),
        "quality": _shown(quality, "Validation scores by epoch."),
    }


def _of_evidence(metrics: Mapping[str, Any]) -> dict[str, Shown | None]:
    level, blast = metrics["subject_level"], metrics["blast_class"]
    calibration, ranked, maps = metrics["calibration"], metrics["risk_coverage"], metrics["saliency"]
    drawn: dict[str, tuple[Figure | None, str]] = {
        "blasts": (
            evidence_figures.blasts_figure(level, blast) if level and level["subjects"] else None,
            "Share of called blasts in each subject with its exact interval; the table below has the numbers.",
        ),
        "subject_roc": (
            evidence_figures.subject_roc_figure(level["roc"]) if level and level["roc"] else None,
            "ROC curve of telling subjects apart by their share of called blasts.",
        ),
        "reliability": (
            evidence_figures.reliability_figure(calibration) if calibration else None,
            "Reliability diagram: how often a score was right; metrics.json has the bins.",
        ),
        "trade_off": (
            evidence_figures.trade_off_figure(ranked) if ranked and ranked["signals"] else None,
            "Share of errors among the kept cells by signal; the areas stand in the table beside it.",
        ),
        "maps": (
            evidence_figures.maps_figure(maps) if maps else None,
            "Score under deletion and insertion by kind of map; the areas stand in the table beside it.",
        ),
        "shift": (
            evidence_figures.shift_figure(metrics["robustness"], len(metrics["classes"]))
            if metrics["robustness"]
            else None,
            "Balanced accuracy by change and step; the table below has the numbers.",
        ),
    }
    return {name: _shown(figure, text) for name, (figure, text) in drawn.items()}


def _shown(figure: Figure | None, text: str) -> Shown | None:
    return None if figure is None else {"uri": figure_uri(figure), "text": text}


def _roc(curve: RocCurve | None, metrics: Mapping[str, Any]) -> Figure | None:
    if curve is None:
        return None
    vote = metrics["vote"]
    point = (1 - vote["specificity"]["value"], vote["sensitivity"]["value"])
    return figures.roc_figure(curve, point, metrics["blast_class"])
