"""The report of one evaluation: a single HTML page that opens without a network."""

import base64
import hashlib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from lymphoscope.evaluation import roc_of_predictions
from lymphoscope.files import write_text
from lymphoscope.reports import evidence, facts, scores
from lymphoscope.reports.contents import Mistake, ReportContents
from lymphoscope.reports.page_figures import area_under, page_figures
from lymphoscope.reports.plotting import picture_uri

MOST_FAILED = 50
MOST_MISTAKES = 24

SECTIONS = {
    "result": "Result",
    "errors": "Where it errs",
    "subjects": "Subjects",
    "blasts": "Share of blasts",
    "calibration": "Calibration",
    "refer": "Cells to look at",
    "mistakes": "Most certain mistakes",
    "doubts": "Doubtful labels",
    "maps": "Heat maps tested",
    "shift": "Where it breaks",
    "data": "Data and split",
    "training": "Training",
    "model": "Model and limits",
    "made": "How this was made",
}
"""The page's sections in order, each a template of its name, and what the contents call them."""

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
    return page_environment("lymphoscope.reports").get_template("report.html.j2").render(**_context(contents))


def page_environment(package: str) -> Environment:
    """Templates of a package: what comes from data is escaped, and a name that is not there is an error."""
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = scores.number
    return environment


@cache
def sorting_script() -> dict[str, str]:
    """The one script of a page, which sorts its tables, and the hash by which the page allows it and no other."""
    text = (resources.files("lymphoscope.reports") / "templates" / "sort.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return {"text": text, "hash": f"sha256-{digest}"}


def _context(contents: ReportContents) -> dict[str, Any]:
    metrics = contents.metrics
    curve = roc_of_predictions(contents.predictions, blast_class=metrics["blast_class"])
    return {
        "title": contents.title,
        "sections": list(SECTIONS.items()),
        "script": sorting_script(),
        "metrics": metrics,
        "data": contents.data,
        "bands": facts.bands(contents),
        "notices": [notice for notice in contents.data["notices"] if not facts.is_loud(notice)],
        "many": len(metrics["classes"]) >= scores.MANY_CLASSES,
        "scores": _scores(contents),
        "figures": page_figures(contents, curve),
        "area": area_under(curve),
        "split": {
            "sentence": facts.split_sentence(contents.data["split"]),
            "parts": facts.split_parts(contents.data["split"], metrics["cells"]),
        },
        "leakage": facts.leakage(metrics),
        "failed": facts.failed_rows(contents.predictions)[:MOST_FAILED],
        "made": facts.made_facts(contents),
        **_evidence(contents),
        **_mistakes(contents),
        **_model(contents),
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


def _evidence(contents: ReportContents) -> dict[str, Any]:
    metrics = contents.metrics
    doubts = evidence.doubts(metrics)
    if doubts is not None:
        pictures = [row for row in doubts["rows"] if row["path"] in contents.thumbnails]
        doubts["pictures"] = [{**row, "uri": picture_uri(contents.thumbnails[row["path"]])} for row in pictures]
    return {
        "blasts": evidence.blasts(metrics),
        "calibration": evidence.calibration(metrics, contents.description),
        "refer": evidence.refer(metrics, facts.refer_rows(metrics)),
        "doubts": doubts,
        "doubts_missing": evidence.doubts_missing(metrics),
        "maps": evidence.saliency(metrics),
        "shift": evidence.shift(metrics),
    }


def _mistakes(contents: ReportContents) -> dict[str, Any]:
    wrong, certain = facts.mistake_rows(contents.predictions, MOST_MISTAKES)
    shown = [_mistake(mistake) for mistake in contents.mistakes]
    return {"wrong": wrong, "mistakes": shown, "certain": certain.to_dict("records")}


def _model(contents: ReportContents) -> dict[str, Any]:
    described = contents.description
    if described is None:
        return {"model": [], "limits": None, "trained_on": "", "recipe": ""}
    return {
        "model": facts.model_facts(described, contents.parameters),
        "limits": described.limits,
        "trained_on": facts.as_text(described.trained_on),
        "recipe": facts.as_text(described.recipe),
    }


def _decision(contents: ReportContents) -> str:
    if len(contents.metrics["streams"]) < 2:
        return "The model"
    means = contents.description is not None and contents.description.test_time.decision == "mean"
    return "Mean of the streams" if means else "Vote of the streams"


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
