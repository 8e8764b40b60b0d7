"""The card of a model: its limits first, then what it is, what it was trained on, and what it scored."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lymphoscope.files import write_text
from lymphoscope.model_file.description import Description

CARD = "README.md"
_NO_LIMITS = "Its limits have not been written down: take nothing for granted beyond the scores below."
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
    write_text(folder / CARD, "\n".join(_lines(description)) + "\n")


def _lines(description: Description) -> Iterator[str]:
    yield f"**Limits.** {description.limits or _NO_LIMITS} Research software, not a medical device."
    yield from ("", f"# Model card: {description.name}", "")
    yield from (f"- {name}: {value}" for name, value in _facts(description).items() if value)
    yield from ("", "## Scores", "", *_scores(description.scores))
    yield from ("", "## Subjects", "", *_subjects(description.trained_on))
    yield from ("", "The recipe, whole, with its seed, stands in `model.json` under `recipe`.")


def _facts(description: Description) -> dict[str, Any]:
    architecture, how, seen = description.architecture, description.preprocessing, description.trained_on
    cells = ", ".join(f"{count:,} {part}" for part, count in seen.get("cells", {}).items() if count)
    return {
        "network": f"{architecture.backbone}, {architecture.head} head",
        "parameters": f"{description.parameters:,}" if description.parameters else None,
        "classes": f"{', '.join(description.classes)}; the blast class is {description.blast_class or 'none of them'}",
        "input": f"{how.size}x{how.size} pixels, {how.fit.replace('_', ' ')}",
        "data": f"{seen.get('source', 'unknown')}; cells: {cells}",
        "attribution": description.attribution,
        "recipe": f"{description.recipe.get('name')}, seed {description.recipe.get('seed')}",
        "started from": (description.recipe.get("model") or {}).get("initial_weights"),
        "trained": f"{seen.get('epochs')} epochs on {seen.get('device')}, {seen.get('precision')}",
        "versions": ", ".join(f"{name} {number}" for name, number in description.versions.items()),
    }


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
