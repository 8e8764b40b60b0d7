"""The model card: limits first, then what the model is, what it was trained on, and its scores."""

import html
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lymphoscope.evaluation import METRICS
from lymphoscope.files import write_text
from lymphoscope.model_file.description import Architecture, Description
from lymphoscope.referral import ScoreBand

CARD = "README.md"
_NO_LIMITS = "Its limits are not documented: rely on nothing but the scores below."
_USE = (
    "Research on images of single white blood cells from peripheral blood smears, with a person who checks the",
    "results: comparing methods, and finding cells to review. Not for diagnosis or treatment, and not for other",
    "kinds of cells, stains, microscopes or patients than those that it was tested on.",
)


def write_card(description: Description, folder: Path) -> None:
    """Write the card beside the model, in Markdown."""
    write_text(folder / CARD, model_card(description))


def model_card(description: Description) -> str:
    """Return the card of a model, with the scores of its description, in Markdown."""
    return "\n".join(html.escape(" ".join(line.splitlines()), quote=False) for line in _lines(description)) + "\n"


def _lines(description: Description) -> Iterator[str]:
    yield f"**Limits.** {description.limits or _NO_LIMITS} Research software, not a medical device."
    yield from ("", f"# Model card: {description.name}", "")
    yield from (f"- {name}: {value}" for name, value in _facts(description).items() if value)
    yield from ("", "## Intended use", "", *_USE)
    yield from ("", "## Scores", "", *_scores(description.scores))
    yield from _reliability(description.scores)
    yield from ("", "## Subjects", "", *_subjects(description.trained_on))
    yield from ("", "The complete recipe, with its seed, is in `model.json` under `recipe`.")


def _facts(description: Description) -> dict[str, Any]:
    architecture, trained_on = description.architecture, description.trained_on
    preprocessing = description.preprocessing
    cells = ", ".join(f"{count:,} {part}" for part, count in trained_on.get("cells", {}).items() if count)
    return {
        "model id": description.model_id,
        "network": f"{architecture.backbone}{_stage(architecture)}, {architecture.head} head",
        "parameters": f"{description.parameters:,}" if description.parameters else None,
        "classes": _classes(description),
        "input": f"{preprocessing.size}x{preprocessing.size} pixels, {preprocessing.crop_mode.replace('_', ' ')}",
        "data": f"{trained_on.get('source', 'unknown')}; cells: {cells}",
        "attribution": description.attribution,
        "recipe": f"{description.recipe.get('name')}, seed {description.recipe.get('seed')}",
        "initial weights": (description.recipe.get("model") or {}).get("initial_weights"),
        "training": f"{trained_on.get('epochs')} epochs on {trained_on.get('device')}, {trained_on.get('precision')}",
        "calibration": _calibration_fact(description),
        "referral": _referral_fact(description.referral.band),
        "out-of-distribution limits": _ood_fact(description),
        "networks": description.networks,
        "versions": ", ".join(f"{name} {number}" for name, number in description.versions.items()),
    }


def _stage(architecture: Architecture) -> str:
    return "" if architecture.features is None else f" up to stage {architecture.features}"


def _classes(description: Description) -> str:
    titles = {name: description.title(name) for name in description.classes}
    named = ", ".join(name if title == name else f"{name} ({title})" for name, title in titles.items())
    return f"{named}; blast class: {description.blast_class or 'none'}"


def _calibration_fact(description: Description) -> str:
    calibration = description.calibration
    if calibration is None:
        return "not calibrated: a score of 0.9 does not mean that 9 of 10 such cells are right"
    cells = f"{calibration.cells:,} cells of {calibration.subjects} subjects"
    return f"temperature {calibration.temperature:.2f}, fitted on {cells}"


def _referral_fact(band: ScoreBand | None) -> str:
    if band is None:
        return "no band of scores was fitted, so no rate of missed blasts is promised"
    return f"blast scores (mean softmax) from {band.low:.3g} to {band.high:.3g}. {' '.join(band.sentences())}"


def _ood_fact(description: Description) -> str | None:
    reference = description.referral.ood_reference
    if reference is None:
        return None
    return (
        f"{100 * reference.share:g} % of {reference.cells:,} cells of {reference.subjects} subjects are within each; "
        f"feature and class distance from {reference.feature_distance_cells:,} cells of "
        f"{reference.feature_distance_subjects} subjects"
    )


def _scores(scores: dict[str, Any]) -> Iterator[str]:
    if not scores:
        yield "Not measured: the model was trained on all cells."
        return
    how = scores.get("how", "on held-out subjects")
    drawn = scores["bootstrap"]
    yield f"Of the vote, {how}: {scores['cells']:,} cells of {scores['subjects']} subjects."
    yield f"95 % intervals: bootstrap over {drawn['unit']}s ({drawn['replicates']:,} replicates)."
    yield from ("", "| | value | 95 % interval |", "|---|---|---|")
    for name, metric in METRICS.items():
        if name in scores:
            yield f"| {metric.title} | {_number(scores[name]['value'])} | {_interval(scores[name])} |"


def _reliability(scores: dict[str, Any]) -> Iterator[str]:
    """Leaks, calibration, referral and subjects, where they were measured."""
    lines = [*_leaks(scores), *_calibration(scores), *_referral(scores), *_per_subject(scores)]
    yield from ("", "## Reliability", "", *(f"- {line}" for line in lines)) if lines else ()


def _leaks(scores: dict[str, Any]) -> Iterator[str]:
    if leaks := scores.get("leaks"):
        yield f"**TRAIN/TEST LEAKAGE, allowed in this run:** training included {leaks}; the scores above are too high."
    elif reason := scores.get("leaks_unknown"):
        yield f"Train/test leakage was not ruled out: {reason}."


def _calibration(scores: dict[str, Any]) -> Iterator[str]:
    if errors := scores.get("calibration"):
        yield f"Expected calibration error of the score (0 is best): {_with_interval(errors['ece'])}."


def _referral(scores: dict[str, Any]) -> Iterator[str]:
    if refer := scores.get("referral"):
        stated = refer["stated_miss_rate"]
        aim = f"; promised: at most {stated:.3g} of a new subject's on average" if stated is not None else ""
        yield f"{refer['cells']:,} cells (fraction {_number(refer['fraction'])}) were referred to a person."
        yield f"Accuracy on the cells that were not referred: {_with_interval(refer['accepted_accuracy'])}."
        yield f"Blasts predicted as another class and not referred: {_with_interval(refer['missed_blasts'])}{aim}."


def _per_subject(scores: dict[str, Any]) -> Iterator[str]:
    if worst := scores.get("worst_subject"):
        cells = f"{worst['correct']} of {worst['cells']} cells"
        yield f"The worst subject ({worst['label']}): {cells} right, {_with_interval(worst['accuracy'])}."
    if auc := scores.get("subject_auc"):
        yield f"AUC of subjects by their share of predicted blasts: {_with_interval(auc)}."


def _with_interval(score: Mapping[str, Any]) -> str:
    if score.get("value") is None:
        return f"none ({score.get('reason')})"
    why = _interval(score) if score.get("low") is not None else f"no interval: {score.get('reason')}"
    return f"{_number(score['value'])} ({why})"


def _interval(score: Mapping[str, Any]) -> str:
    if score.get("low") is None:
        return "none"
    return f"{_number(score['low'])} to {_number(score['high'])}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _subjects(trained_on: Mapping[str, Any]) -> Iterator[str]:
    for part, names in trained_on.get("subjects", {}).items():
        if names:
            yield f"- {part}: {', '.join(names)}"
    if not any(trained_on.get("subjects", {}).values()):
        yield "Their ids are not recorded."
