"""What the report says beside the scores: warnings, the data and its split, what to look at, the model."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
import yaml

from lymphoscope.evaluation import classes_of
from lymphoscope.model_file import Description
from lymphoscope.reports.contents import ReportContents

Facts = list[tuple[str, str]]

MOST_LEAKS = 20

_PARTS = {"train": "Training", "validation": "Validation", "test": "Test"}
_REASONS = {
    "streams disagree": "the streams did not all name the same class",
    "vote and score disagree": "the vote names one class, the mean score is higher for another",
    "score below": "the score of the class that was called is low",
    "score in the uncertain band": "the calibrated score lies where neither answer may be signed off",
    "too few inner subjects to sign off": "on this side of the score the inner subjects could promise no rate",
    "unlike the training cells": "what the network sees lies far from all cells that it was trained on",
    "out of focus": "the picture is less sharp than those of the training cells",
    "cut off": "the cell goes on beyond the frame of its picture",
    "over-exposed": "the cell is brighter than the training cells",
    "under-exposed": "the cell is darker than the training cells",
    "colour never seen": "the stain is none of those of the training cells",
    "unreadable": "the file could not be read; its row says why",
}


def bands(contents: ReportContents) -> list[dict[str, str]]:
    """The warnings on the face of the page: synthetic cells, a random split, and notices that begin in capitals."""
    shown = []
    if contents.data["synthetic"]:
        text = (
            "These cells were drawn by a program. The numbers show that the software works, and nothing about people."
        )
        shown.append({"title": "Synthetic data", "text": text})
    loud = [notice.partition(":") for notice in contents.data["notices"] if is_loud(notice)]
    if contents.data["split"]["by"] == "random" and not any(title.startswith("RANDOM") for title, _, _ in loud):
        text = "cells of one subject stand in training and in test, so the scores are too high for new subjects"
        loud.append(("RANDOM SPLIT", ":", text))
    return shown + [{"title": title.capitalize(), "text": _sentence(text)} for title, _, text in loud]


def is_loud(notice: str) -> bool:
    """Whether a notice must stand on the face of the page: its first words, up to the colon, are in capitals."""
    head, colon, _ = notice.partition(":")
    return bool(colon) and head.split(" in part")[0].isupper()


def split_sentence(split: Mapping[str, Any]) -> str:
    """How the cells were split, and what that means for the scores."""
    how = {
        "subject": "by subject: no subject has cells in two parts, so the test cells are of people the model never saw",
        "random": "at random, cell by cell: a subject\u2019s cells may stand in two parts, and scores may be too high",
    }.get(split["by"], "")
    if split["kind"] == "none" or not how:
        return "These cells were not split: all that have a label were judged."
    if split["kind"] == "folds":
        return f"The cells were split into folds {how}. Every cell was tested once, by a model trained on the others."
    return f"The cells were split once {how}."


def split_parts(split: Mapping[str, Any], judged: int) -> list[dict[str, Any]]:
    """A row a part: name, cells, names of the subjects; none where there is no split.

    In folds every subject is held out once, so there is one row, of the `judged` cells.
    """
    if split["kind"] == "folds":
        everyone = {name for part in _PARTS for name in split[f"{part}_subjects"]}
        return [{"name": "Test, in turn", "key": "test", "cells": judged, "subjects": natural(everyone)}]
    return [
        {"name": name, "key": key, "cells": split["cells"][key], "subjects": natural(split[f"{key}_subjects"])}
        for key, name in _PARTS.items()
        if split["cells"].get(key)
    ]


def natural(names: Iterable[str]) -> list[str]:
    """Names sorted as people do: S2 before S10."""
    return sorted(names, key=_natural_key)


def leakage(metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the check for leaks found, in a sentence and rows; None where there was no check."""
    found = metrics["leakage"]
    if found is None:
        return None
    checked = ", ".join(found["checked"]) or "nothing"
    told = f"Looked for between training and these cells: {checked}."
    leaking = found["leaking_cells"]
    outcome = f" {leaking:,} of these cells leak." if leaking else " None of these cells leaks."
    return {**found, "told": told + outcome, "rows": found["leaks"][:MOST_LEAKS]}


def refer_rows(metrics: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Why cells are to be looked at: reason, what it means, and how many cells it concerns."""
    return [(reason, _meaning(reason), count) for reason, count in metrics["refer"]["reasons"].items()]


def failed_rows(predictions: pd.DataFrame) -> list[tuple[str, str]]:
    """Path and error of the cells that could not be read."""
    failed = predictions[predictions["error"].notna()]
    return list(zip(failed["path"].astype(str), failed["error"].astype(str), strict=True))


def mistake_rows(predictions: pd.DataFrame, most: int) -> tuple[int, pd.DataFrame]:
    """How many cells were called otherwise than labelled, and the `most` certain of them, with their `score`."""
    known = predictions["label"].notna() & predictions["predicted"].notna() & predictions["error"].isna()
    wrong = predictions[known & (predictions["label"] != predictions["predicted"])]
    said = [(wrong[f"score_{name}"], wrong["predicted"] == name) for name in classes_of(predictions)]
    certain = (
        wrong.assign(score=sum(score.where(called, 0.0) for score, called in said))
        .sort_values("score", ascending=False, kind="stable")
        .head(most)
    )
    return len(wrong), certain


def model_facts(description: Description, parameters: int | None) -> Facts:
    """The model card's facts: what it is, what goes in, what is done at test time."""
    architecture, test = description.architecture, description.test_time
    attends = architecture.head == "attention"
    head = f"attention, {architecture.num_maps} maps" if attends else "average pooling and one linear layer"
    facts = [
        ("Name", description.name),
        ("Backbone", architecture.backbone),
        ("Head", head),
        ("Parameters", f"{parameters:,}" if parameters is not None else ""),
        ("Classes", ", ".join(description.classes)),
        ("Blast class", description.blast_class or "none"),
        ("Input", _input(description)),
        ("Streams at test time", ", ".join(test.streams) if attends else "raw"),
        ("Decision", {"vote": "the class that most streams name", "mean": "the highest mean score"}[test.decision]),
        ("Attention at test time", _attention(description) if attends else ""),
        ("A person must look when", _thresholds(description)),
        ("Calibration of the score", "none"),
        ("Attribution", description.attribution or ""),
        ("Weights, SHA-256", description.weights_sha256),
    ]
    return [(name, text) for name, text in facts if text]


def made_facts(contents: ReportContents) -> Facts:
    """How the page came to be."""
    versions = contents.description.versions if contents.description else {}
    facts = [
        ("Command", contents.command),
        ("Commit", contents.commit or "not run from a checkout"),
        ("Device", contents.device),
        ("Date", contents.date),
        ("Versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
    ]
    return [(name, text) for name, text in facts if text]


def as_text(value: Mapping[str, Any]) -> str:
    """Nested facts as YAML, in their own order."""
    text: str = yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True, width=100)
    return text


def _input(description: Description) -> str:
    shape = description.preprocessing
    fitted = {
        "center_crop": f"the central {shape.crop} x {shape.crop} pixels of the picture",
        "resize": "the whole picture",
    }[shape.crop_mode]
    return f"{fitted}, at {shape.size} x {shape.size} pixels, RGB"


def _attention(description: Description) -> str:
    test = description.test_time
    which = {"mean": "the mean of the maps", "max_energy": "the strongest map"}[test.map]
    fill = {"mean": "grey", "black": "black"}[test.fill]
    crop = (
        f"crop where it is at least {test.crop_threshold:g} of its range, padded by {test.crop_padding:g} of the side"
    )
    erase = f"; erase where it is at least {test.erase_threshold:g}, in {fill}" if "erase" in test.streams else ""
    return f"{which}; {crop}{erase}"


def _thresholds(description: Description) -> str:
    limits = description.thresholds
    return (
        f"fewer than {100 * limits.minimum_agreement:.0f} % of the streams agree, or the score of the called class is "
        f"below {limits.minimum_score:g}{_band(description)}{_unlike(description)}"
    )


def _band(description: Description) -> str:
    band = description.referral
    if band is None or not band.refers:
        return ""
    return f", or that of {description.blast_class} lies from {band.low:.3f} to {band.high:.3f}"


def _unlike(description: Description) -> str:
    known = description.ood_reference
    if known is None or not known.refers:
        return ""
    named = ", ".join(known.refers).replace("_", " ")
    return f", or the cell is unlike {100 * known.share:g} % of the known ones ({named})"


def _natural_key(name: str) -> list[tuple[int, str]]:
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in re.split(r"(\d+)", name)]


def _meaning(reason: str) -> str:
    return next((text for known, text in _REASONS.items() if reason.startswith(known)), "")


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
