"""`lymphoscope models`: the models that ship with the package, what each is for, its scores and its limits."""

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lymphoscope.cli.options import AsJson

if TYPE_CHECKING:
    from lymphoscope.model_file import Description

WIDTH = 100
_SCORES = {
    "auc": "AUC",
    "balanced_accuracy": "balanced accuracy",
    "weighted_f1": "weighted F1",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
}

_REFERRAL = {
    "accepted_accuracy": "accuracy of the others",
    "missed_blasts": "blasts that were missed and not referred",
}


def models_command(as_json: AsJson = False) -> None:
    """List the models that ship: purpose, classes, input, scores with 95 % intervals, limits and licence.

    Use one with `lymphoscope predict --model NAME`.
    """
    from lymphoscope.model_file import load_description, shipped_models

    models = {name: (folder, load_description(folder)) for name, folder in shipped_models().items()}
    if as_json:
        facts = [_as_dict(name, folder, described) for name, (folder, described) in models.items()]
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    default = next(iter(models))
    for name, (folder, described) in models.items():
        typer.echo(f"{name} (default)" if name == default else name)
        for label, text in _facts(described, folder):
            typer.echo(textwrap.fill(text, WIDTH, initial_indent=f"  {label:10}", subsequent_indent=" " * 12))
        typer.echo("")
    typer.echo("Research software, not a medical device.")


def _facts(described: "Description", folder: Path) -> Iterator[tuple[str, str]]:
    yield "purpose", described.purpose or "not stated"
    yield "classes", ", ".join(_class(described, name) for name in described.classes)
    yield "input", _input(described)
    yield "networks", "; ".join(_networks(described))
    yield "scores", _scores(described.scores)
    yield "referral", _referral(described.scores)
    yield "limits", described.limits or "not documented"
    yield "data", described.attribution or "not documented"
    yield "licence", described.licence or "that of the package (Apache-2.0)"
    yield "folder", str(folder)


def _class(described: "Description", name: str) -> str:
    title = described.title(name)
    return name if title == name else f"{name} ({title})"


def _input(described: "Description") -> str:
    how = described.preprocessing
    source = f"the central {how.crop} x {how.crop} pixels" if how.crop_mode == "center_crop" else "the whole image"
    return f"one cell per image; {source}, as {how.size} x {how.size} pixels"


def _networks(described: "Description") -> Iterator[str]:
    for export in described.exports:
        equal = f" (labels as in float32 on {export.parity.labels:.1%} of {export.parity.cells} cells)"
        yield f"{export.title}{'' if export.precision == 'float32' else equal}"
    yield "the weights for torch, in float32 or bfloat16"


def _scores(scores: dict[str, Any]) -> str:
    if not scores:
        return "not measured"
    defined = [name for name in _SCORES if scores.get(name, {}).get("value") is not None]
    listed = "; ".join(f"{_SCORES[name]} {_with_interval(scores[name])}" for name in defined)
    subjects = f" of {scores['subjects']} subjects" if scores["subjects"] else ""
    return f"{listed}. {scores['cells']:,} cells{subjects}, {scores.get('how', 'held out')}."


def _with_interval(estimate: dict[str, Any]) -> str:
    if estimate.get("value") is None:
        return "none"
    interval = "" if estimate.get("low") is None else f" ({estimate['low']:.3f} to {estimate['high']:.3f})"
    return f"{estimate['value']:.3f}{interval}"


def _referral(scores: dict[str, Any]) -> str:
    refer = scores.get("referral")
    if not refer or refer.get("fraction") is None:
        return "not measured"
    listed = [f"{refer['fraction']:.0%} of these cells were referred to a person"]
    listed += [
        f"{title}: {_with_interval(refer[name])}"
        for name, title in _REFERRAL.items()
        if (refer.get(name) or {}).get("value") is not None
    ]
    return "; ".join(listed)


def _as_dict(name: str, folder: Path, described: "Description") -> dict[str, Any]:
    return {
        "name": name,
        "folder": str(folder),
        **described.model_dump(
            mode="json", include={"purpose", "blast_class", "scores", "limits", "attribution", "licence"}
        ),
        "classes": {one: described.title(one) for one in described.classes},
        "networks": [{"runtime": one.runtime, "precision": one.precision} for one in described.exports],
        "preprocessing": described.preprocessing.model_dump(mode="json"),
    }
