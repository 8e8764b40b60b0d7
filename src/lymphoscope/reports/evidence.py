"""metrics.json -> what the report says of shares of blasts, calibration, referral, labels, heat maps and shift."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lymphoscope.model_file import Description
from lymphoscope.reports.scores import interval, number

Metrics = Mapping[str, Any]
Section = dict[str, Any]

MOST_DOUBTS = 50
SIGNALS = {
    "score": "Plain score",
    "disagreement": "Streams disagree",
    "ood_feature_distance": "Unlike the training cells",
    "ood_blur": "Out of focus",
    "ood_cut_off": "Cut off",
    "ood_exposure": "Exposure",
    "ood_colour": "Colour",
}
MAPS = {
    "attention": "Attention map",
    "grad_cam": "Grad-CAM",
    "centre": "Spot in the middle",
    "random": "Random maps",
}
CORRUPTIONS = {
    "blur": "Blur",
    "jpeg": "JPEG",
    "noise": "Noise",
    "stain_red": "Redder stain",
    "stain_blue": "Bluer stain",
    "less_light": "Less light",
    "more_light": "More light",
    "smaller": "Smaller picture",
    "larger": "Larger picture",
}


def blasts(metrics: Metrics) -> Section | None:
    """The share of blasts of each subject and slide, and how well it tells subjects apart."""
    found = metrics["subject_level"]
    if found is None or not found["subjects"]:
        return None
    stated, sides = f"{found['stated_percentage']:g} %", [row["side"] for row in found["subjects"]]
    corrected = {f"subject {row['subject']}, corrected": row["corrected"] for row in found["subjects"]}
    return {
        "stated": stated,
        "fewest": found["fewest_cells"],
        "subjects": found["subjects"],
        "slides": found["slides"] if len(found["slides"]) > len(found["subjects"]) else [],
        "lead": (
            f"Of {len(sides)} subjects the exact interval lies above {stated} in {sides.count('above')}, below it in "
            f"{sides.count('below')}, and on both sides of it in {sides.count('undecided')}. "
            f"{sum(row['enough_cells'] for row in found['subjects'])} have the {found['fewest_cells']} cells that the "
            "ICSH asks for in a differential count."
        ),
        "how": (
            f"Share: cells called \u201c{metrics['blast_class']}\u201d among those of the subject, with the exact "
            "(Clopper-Pearson) interval. Corrected: after Rogan and Gladen, by the sensitivity and specificity "
            "measured on the labelled cells of the other subjects. More cells to decide: how many more, at the share "
            f"seen so far, would bring the exact interval wholly to one side of {stated}. These cells were chosen by "
            "somebody else, so a share here is not the subject\u2019s blood count."
        ),
        "reasons": _reasons(corrected),
        "told_apart": _told_apart(found["auc"]),
    }


def calibration(metrics: Metrics, description: Description | None) -> Section | None:
    """How far the score may be read as a chance, as predicted and without calibration."""
    found = metrics["calibration"]
    if found is None:
        return None
    fitted = description.calibration if description is not None else None
    rows = [("As predicted", found["as_predicted"])]
    if fitted is not None:
        rows.append(("Plain mean softmax", found["uncalibrated"]))
    errors = {f"{name}, {_ERRORS[key]}": value for name, kinds in rows for key, value in kinds.items()}
    return {
        "rows": rows,
        "lead": _calibration_lead(found["as_predicted"]["ece"], _how_calibrated(description, bool(metrics["folds"]))),
        "how": (
            f"ECE is the mean distance of the dots from the dashed line, weighed by their cells ({found['binning']}). "
            "Brier is the mean squared distance of the scores from what was true, log loss their surprise at it."
        ),
        "reasons": _reasons(errors),
    }


def refer(metrics: Metrics, rows: list[tuple[str, str, int]]) -> Section:
    """Who is handed to a person, what the kept cells are worth, and what other rules would do."""
    found, ranked = metrics["refer"], metrics["risk_coverage"]
    signals = [] if ranked is None else [{**each, "title": signal_name(each["name"])} for each in ranked["signals"]]
    return {
        "lead": _refer_lead(metrics, found),
        "missed": _missed(metrics, found),
        "rows": rows,
        "signals": signals,
        "verdict": "" if ranked is None else ranked["verdict"],
        "reasons": _reasons({each["title"]: each["area"] for each in signals}),
    }


def doubts(metrics: Metrics) -> Section | None:
    """The cells whose labels are most doubtful."""
    found = metrics["label_errors"]
    if found is None or found["reason"]:
        return None
    count = len(found["found"])
    shown = [{**row, "file": Path(row["path"]).name} for row in found["found"][:MOST_DOUBTS]]
    are = "label is" if count == 1 else "labels are"
    return {
        "found": count,
        "rows": shown,
        "method": found["method"],
        "lead": (
            f"{count:,} of {found['cells']:,} {are} doubtful: the model is sure of another class. It may be the model "
            "that is wrong; somebody who knows the cells must look."
            if count
            else f"Of {found['cells']:,} labels none is doubtful by this method. That is no proof that all are right."
        ),
    }


def doubts_missing(metrics: Metrics) -> str:
    """Why there is no list of doubtful labels."""
    found = metrics["label_errors"]
    return f"No list: {found['reason']}." if found and found["reason"] else "Without labels there is nothing to doubt."


def saliency(metrics: Metrics) -> Section | None:
    """Whether the maps beat random ones."""
    found = metrics["saliency"]
    if found is None:
        return None
    rows = [{**each, "title": map_name(each["name"])} for each in found["maps"]]
    less = {
        "attention less random, deletion": found["attention_minus_random_deletion"],
        "attention less random, insertion": found["attention_minus_random_insertion"],
    }
    named = {f"{row['title']}, {kind}": row[kind] for row in rows for kind in ("deletion", "insertion")}
    return {
        "verdict": found["verdict"],
        "note": found.get("note"),
        "cells": found["cells"],
        "rows": rows,
        "deletion": found["attention_minus_random_deletion"],
        "insertion": found["attention_minus_random_insertion"],
        "reasons": _reasons(named | less),
    }


def shift(metrics: Metrics) -> Section | None:
    """The card of where the model breaks: a row a change, a step a level."""
    found = metrics["robustness"]
    if found is None:
        return None
    changes = dict.fromkeys(step["change"] for step in found["steps"])
    rows = [
        {"title": change_name(name), "name": name, "steps": [s for s in found["steps"] if s["change"] == name]}
        for name in changes
    ]
    scored = {
        f"{row['title']}, step {step['level']}": step["scores"]["balanced_accuracy"]
        for row in rows
        for step in row["steps"]
    }
    return {
        "cells": found["cells"],
        "note": found.get("note"),
        "unchanged": found["unchanged"],
        "levels": sorted({step["level"] for step in found["steps"]}),
        "rows": rows,
        "lead": _shift_lead(rows),
        "reasons": _reasons({"Unchanged": found["unchanged"]["balanced_accuracy"]} | scored),
    }


def signal_name(name: str) -> str:
    """A signal of doubt as a reader calls it."""
    return SIGNALS.get(name, name.removeprefix("ood_").replace("_", " ").capitalize())


def map_name(name: str) -> str:
    """A kind of heat map as a reader calls it."""
    return MAPS.get(name, name.replace("_", " ").capitalize())


def change_name(name: str) -> str:
    """A change of the picture as a reader calls it."""
    return CORRUPTIONS.get(name, name.replace("_", " ").capitalize())


_ERRORS = {"ece": "ECE", "brier": "Brier", "log_loss": "log loss"}


def _reasons(entries: Mapping[str, Metrics]) -> list[str]:
    """Why values or intervals are missing, a sentence a reason, naming what it concerns."""
    found: dict[str, list[str]] = {}
    for name, entry in entries.items():
        if entry["reason"]:
            missing = "no value" if entry["value"] is None else "no interval"
            found.setdefault(f"{missing}: {entry['reason']}", []).append(name)
    return [f"{_few(names)} \u2013 {reason}." for reason, names in found.items()]


def _few(names: Iterable[str], most: int = 6) -> str:
    listed = list(names)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")


def _with_interval(entry: Metrics) -> str:
    said = interval(entry)
    return number(entry["value"]) + (f" ({said})" if said else "")


def _told_apart(auc: Metrics) -> str:
    if auc["value"] is None:
        return f"It cannot be said: {auc['reason']}."
    why = f" No interval: {auc['reason']}." if auc["low"] is None and auc["reason"] else ""
    return f"Area under the curve {_with_interval(auc)}; 0.5 is guessing.{why}"


def _how_calibrated(description: Description | None, folds: bool) -> str:
    if description is None:
        return "Predictions alone do not say whether their score was calibrated."
    fitted = description.calibration
    if fitted is None:
        return "This score was not calibrated."
    if folds:
        return "Each fold calibrated its score on its own inner subjects, so several temperatures stand in one diagram."
    return f"The score was calibrated on inner subjects (temperature {fitted.temperature:.2f}, {fitted.cells:,} cells)."


def _calibration_lead(ece: Metrics, how: str) -> str:
    off = f" On these cells it is off by {_with_interval(ece)} on average (ECE)." if ece["value"] is not None else ""
    return f"{how}{off} It speaks of cells like these: where blasts are rarer, the same score means less."


def _refer_lead(metrics: Metrics, found: Metrics) -> str:
    cells = f"{found['cells']:,} of {metrics['cells']:,} cells (fraction {number(found['fraction'])})"
    kept = found["kept_accuracy"]
    if kept["value"] is None:
        return f"The model hands {cells} to a person."
    return (
        f"The model hands {cells} to a person. Of the {found['kept_cells']:,} labelled cells that it keeps, it called "
        f"a fraction of {_with_interval(kept)} as labelled; of all labelled cells, "
        f"{_with_interval(metrics['vote']['accuracy'])}."
    )


def _missed(metrics: Metrics, found: Metrics) -> str:
    missed = found["missed_blasts"]
    if missed["value"] is None:
        return ""
    stated = found["stated_miss_rate"]
    aim = (
        f"; the rules were fitted so that it should be at most {stated:g}"
        if stated is not None
        else "; no rate was stated when the rules were made"
    )
    return (
        f"Missed: of the cells labelled \u201c{metrics['blast_class']}\u201d a fraction of {_with_interval(missed)} "
        f"was called otherwise and not handed to a person{aim}."
    )


def _within(title: str) -> str:
    """A title within a sentence."""
    return title if title.isupper() else title.lower()


def _shift_lead(rows: list[dict[str, Any]]) -> str:
    first = {row["title"]: next((step for step in row["steps"] if step["significant_drop"]), None) for row in rows}
    fell = [f"{_within(title)} from {step['amount']}" for title, step in first.items() if step]
    held = [_within(title) for title, step in first.items() if not step]
    told = f"Balanced accuracy falls beyond chance under {'; '.join(fell)}." if fell else ""
    kept = f" No fall beyond chance was seen under {', '.join(held)}, at any step tried." if held else ""
    return (told + kept).strip()
