"""The card of a model: its limits first, then what it is, what it was trained on, and what it scored."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lymphoscope.files import write_text
from lymphoscope.model_file.description import Architecture, Description

CARD = "README.md"
_NO_LIMITS = "Its limits have not been written down: take nothing for granted beyond the scores below."
_USE = (
    "Research on single white cells in images of peripheral blood smears, by people who check what it answers: to",
    "compare methods, to find cells worth a look. Not for diagnosis, not for treatment, not for cells of another kind,",
    "stain, microscope or age of patients than those it was tested on.",
)
_NAMES = {
    "accuracy": "accuracy",
    "weighted_f1": "weighted F1 (WF1S)",
    "auc": "AUC",
    "balanced_accuracy": "balanced accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
}


def write_card(description: Description, folder: Path) -> None:
    """Write the card beside the model, in Markdown."""
    write_text(folder / CARD, model_card(description))


def model_card(description: Description) -> str:
    """The card of a model with the scores that its description holds, in Markdown."""
    return "\n".join(_lines(description)) + "\n"


def _lines(description: Description) -> Iterator[str]:
    yield f"**Limits.** {description.limits or _NO_LIMITS} Research software, not a medical device."
    yield from ("", f"# Model card: {description.name}", "")
    yield from (f"- {name}: {value}" for name, value in _facts(description).items() if value)
    yield from ("", "## Intended use", "", *_USE)
    yield from ("", "## Scores", "", *_scores(description.scores))
    yield from _evidence(description.scores)
    yield from ("", "## Subjects", "", *_subjects(description.trained_on))
    yield from ("", "The recipe, whole, with its seed, stands in `model.json` under `recipe`.")


def _facts(description: Description) -> dict[str, Any]:
    architecture, how, seen = description.architecture, description.preprocessing, description.trained_on
    cells = ", ".join(f"{count:,} {part}" for part, count in seen.get("cells", {}).items() if count)
    return {
        "network": f"{architecture.backbone}{_stage(architecture)}, {architecture.head} head",
        "parameters": f"{description.parameters:,}" if description.parameters else None,
        "classes": f"{', '.join(description.classes)}; the blast class is {description.blast_class or 'none of them'}",
        "input": f"{how.size}x{how.size} pixels, {how.crop_mode.replace('_', ' ')}",
        "data": f"{seen.get('source', 'unknown')}; cells: {cells}",
        "attribution": description.attribution,
        "recipe": f"{description.recipe.get('name')}, seed {description.recipe.get('seed')}",
        "started from": (description.recipe.get("model") or {}).get("initial_weights"),
        "trained": f"{seen.get('epochs')} epochs on {seen.get('device')}, {seen.get('precision')}",
        "score": _score(description),
        "a person must look": _band(description),
        "knows its cells": _familiarity(description),
        "versions": ", ".join(f"{name} {number}" for name, number in description.versions.items()),
    }


def _stage(architecture: Architecture) -> str:
    return "" if architecture.features is None else f" up to stage {architecture.features}"


def _score(description: Description) -> str:
    found = description.calibration
    if found is None:
        return "not calibrated: 0.9 does not mean nine in ten"
    return f"calibrated, temperature {found.temperature:.2f}, {found.cells:,} cells of {found.subjects} subjects"


def _band(description: Description) -> str:
    band = description.referral
    if band is None:
        return "no band of scores was fitted, so no rate of missed blasts is promised"
    reasons = [reason for reason in (band.low_reason, band.high_reason) if reason]
    return f"blast scores from {band.low:.3f} to {band.high:.3f}" + "".join(f"; {reason}" for reason in reasons)


def _familiarity(description: Description) -> str | None:
    known = description.ood_reference
    if known is None:
        return None
    return (
        f"limits that {100 * known.share:g} % of {known.cells:,} cells of {known.subjects} subjects keep; "
        f"feature_distance by {known.feature_distance_cells:,} cells of {known.feature_distance_subjects} subjects"
    )


def _scores(scores: dict[str, Any]) -> Iterator[str]:
    if not scores:
        yield "None were measured: the model was trained on all cells."
        return
    how = scores.get("how", "on held-out subjects")
    yield f"Of the vote, {how}: {scores['cells']:,} cells of {scores['subjects']} subjects, with 95 % intervals from a"
    yield f"bootstrap over {scores['bootstrap']['unit']}s ({scores['bootstrap']['replicates']:,} replicates)."
    yield from ("", "| | value | 95 % interval |", "|---|---|---|")
    for name, called in _NAMES.items():
        if name in scores:
            yield f"| {called} | {_number(scores[name]['value'])} | {_interval(scores[name])} |"


def _evidence(scores: dict[str, Any]) -> Iterator[str]:
    """Leaks, calibration, referral and subjects, as far as they were measured."""
    lines = [*_leaks(scores), *_calibration(scores), *_referral(scores), *_by_subject(scores)]
    yield from ("", "## How far to trust them", "", *(f"- {line}" for line in lines)) if lines else ()


def _leaks(scores: dict[str, Any]) -> Iterator[str]:
    if leaks := scores.get("leaks"):
        yield f"**LEAKAGE, allowed when this was run:** training had seen {leaks}; the scores above are too high."
    elif reason := scores.get("leaks_unknown"):
        yield f"Leaks were not ruled out: {reason}."


def _calibration(scores: dict[str, Any]) -> Iterator[str]:
    if errors := scores.get("calibration"):
        yield f"The score is off by {_with_interval(errors['ece'])} on average when read as a chance (ECE, 0 is best)."


def _referral(scores: dict[str, Any]) -> Iterator[str]:
    if refer := scores.get("refer"):
        stated = refer["stated_miss_rate"]
        aim = f"; fitted for at most {stated:g}" if stated is not None else ""
        yield f"{refer['cells']:,} cells (fraction {_number(refer['fraction'])}) were handed to a person."
        yield f"Accuracy on the cells that it kept: {_with_interval(refer['kept_accuracy'])}."
        yield f"Blasts called otherwise and not handed over: {_with_interval(refer['missed_blasts'])}{aim}."


def _by_subject(scores: dict[str, Any]) -> Iterator[str]:
    if worst := scores.get("worst_subject"):
        cells = f"{worst['correct']} of {worst['cells']} cells"
        yield f"The worst subject ({worst['label']}): {cells} called as labelled, {_with_interval(worst['accuracy'])}."
    if auc := scores.get("subject_auc"):
        yield f"Subjects told apart by their share of called blasts: AUC {_with_interval(auc)}."


def _with_interval(score: dict[str, Any]) -> str:
    if score.get("value") is None:
        return f"none ({score.get('reason')})"
    why = _interval(score) if score.get("low") is not None else f"no interval: {score.get('reason')}"
    return f"{_number(score['value'])} ({why})"


def _interval(score: dict[str, Any]) -> str:
    if score.get("low") is None:
        return "none"
    return f"{_number(score['low'])} to {_number(score['high'])}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _subjects(trained_on: dict[str, Any]) -> Iterator[str]:
    for part, names in trained_on.get("subjects", {}).items():
        if names:
            yield f"- {part}: {', '.join(names)}"
    if not any(trained_on.get("subjects", {}).values()):
        yield "Not known."
