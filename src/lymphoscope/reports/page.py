"""The report of one evaluation: a single HTML page that opens without a network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from lymphoscope.evaluation import RocCurve, roc_of_predictions
from lymphoscope.files import write_text
from lymphoscope.reports import facts, scores
from lymphoscope.reports.contents import Mistake, ReportContents
from lymphoscope.reports.drawing import figure_uri, picture_uri
from lymphoscope.reports.figures import confusion_figure, loss_figure, quality_figure, roc_figure, subjects_figure

MOST_FAILED = 50
MOST_MISTAKES = 24

_PICTURES = {
    "raw": "the cell",
    "attention": "attention",
    "crop": "crop",
    "erase": "erased",
}


def write_report(path: Path, contents: ReportContents) -> None:
    """Write the page, whole or not at all. It refers to nothing outside itself.

    Raises KeyError where `metrics` or `data` lack what `evaluate_predictions` and `data_summary` give.
    """
    write_text(path, render_report(contents))


def render_report(contents: ReportContents) -> str:
    """The page as text; every name that comes from data is escaped."""
    environment = Environment(
        loader=PackageLoader("lymphoscope.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = scores.number
    return environment.get_template("report.html.j2").render(**_context(contents))


def _context(contents: ReportContents) -> dict[str, Any]:
    metrics = contents.metrics
    curve = roc_of_predictions(contents.predictions, blast_class=metrics["blast_class"])
    wrong, certain = facts.mistake_rows(contents.predictions, MOST_MISTAKES)
    return {
        "title": contents.title,
        "metrics": metrics,
        "data": contents.data,
        "bands": facts.bands(contents),
        "notices": [notice for notice in contents.data["notices"] if not facts.is_loud(notice)],
        "many": len(metrics["classes"]) >= scores.MANY_CLASSES,
        "scores": _scores(contents),
        "figures": _figures(contents, curve),
        "area": _area(curve),
        "split": {
            "sentence": facts.split_sentence(contents.data["split"]),
            "parts": facts.split_parts(contents.data["split"], metrics["cells"]),
        },
        "subjects": facts.subject_rows(metrics),
        "refer": facts.refer_rows(metrics),
        "wrong": wrong,
        "mistakes": [_mistake(mistake) for mistake in contents.mistakes],
        "certain": certain.to_dict("records"),
        "failed": facts.failed_rows(contents.predictions)[:MOST_FAILED],
        "model": facts.model_facts(contents.description, contents.parameters) if contents.description else [],
        "limits": contents.description.limits if contents.description else None,
        "trained_on": facts.as_text(contents.description.trained_on) if contents.description else "",
        "recipe": facts.as_text(contents.description.recipe) if contents.description else "",
        "made": facts.made_facts(contents),
    }


def _scores(contents: ReportContents) -> dict[str, Any]:
    metrics = contents.metrics
    return {
        "tiles": scores.tiles(metrics),
        "rows": scores.score_rows(metrics, _decision(contents)),
        "names": [scores.NAMES[name] for name in scores.shown_metrics(metrics)],
        "reasons": scores.reasons(metrics),
        "headline": scores.headline(metrics),
        "verdict": scores.verdict(metrics, contents.data["split"]["by"]),
        "intervals": scores.how_intervals(metrics),
        "definitions": scores.definitions(metrics),
        "all_guesses": len(scores.guesses(metrics)) == len(metrics["classes"]),
        "measured": metrics["vote"]["accuracy"]["value"] is not None,
    }


def _decision(contents: ReportContents) -> str:
    if len(contents.metrics["streams"]) < 2:
        return "The model"
    means = contents.description is not None and contents.description.test_time.decision == "mean"
    return "Mean of the streams" if means else "Vote of the streams"


def _figures(contents: ReportContents, curve: RocCurve | None) -> dict[str, dict[str, str] | None]:
    metrics = contents.metrics
    measured = metrics["vote"]["accuracy"]["value"] is not None
    labels, matrix = metrics["confusion"]["labels"], metrics["confusion"]["matrix"]
    confusion = confusion_figure(labels, matrix) if measured else None
    subjects = (
        subjects_figure(metrics["by_subject"], metrics["vote"]["accuracy"]["value"]) if metrics["by_subject"] else None
    )
    curves = contents.curves
    return {
        "confusion": _shown(confusion, "Confusion matrix; the same counts stand in the table beside it."),
        "roc": _shown(_roc(curve, metrics), f"ROC curve of {metrics['blast_class']}, area {_area(curve)}."),
        "subjects": _shown(subjects, "A dot a subject: fraction of its cells called as labelled; the table has them."),
        "loss": _shown(None if curves is None else loss_figure(curves), "Training and validation loss by epoch."),
        "quality": _shown(None if curves is None else quality_figure(curves), "Validation scores by epoch."),
    }


def _shown(figure: Figure | None, text: str) -> dict[str, str] | None:
    return None if figure is None else {"uri": figure_uri(figure), "text": text}


def _roc(curve: RocCurve | None, metrics: Mapping[str, Any]) -> Figure | None:
    if curve is None:
        return None
    vote = metrics["vote"]
    point = (1 - vote["specificity"]["value"], vote["sensitivity"]["value"])
    return roc_figure(curve, point, metrics["blast_class"])


def _area(curve: RocCurve | None) -> str:
    return scores.number(None if curve is None else float(np.trapezoid(curve.true_positive, curve.false_positive)))


def _mistake(mistake: Mistake) -> dict[str, Any]:
    return {
        "file": Path(mistake.path).name,
        "path": mistake.path,
        "subject": mistake.subject,
        "label": mistake.label,
        "predicted": mistake.predicted,
        "score": mistake.score,
        "pictures": [
            {"uri": picture_uri(mistake.pictures[name]), "name": text, "answer": _answer(mistake, name)}
            for name, text in _PICTURES.items()
            if name in mistake.pictures
        ],
    }


def _answer(mistake: Mistake, stream: str) -> str:
    by_class = mistake.probabilities.get(stream)
    if not by_class:
        return ""
    called = max(by_class, key=lambda name: by_class[name])
    return f"{called} {by_class[called]:.2f}"
