"""The numbers of one training at two revisions, side by side: what is equal, and what was changed on purpose.

    python benchmarks/same_numbers.py OLD_RUN NEW_RUN

Train at both revisions on one table with the columns `path`, `label`, `subject` and `split`, so that both train on the
same cells (the leak checks differ), for example with `--config quick --set optimisation.epochs=6`. The old revision is
e7fe3c5, whose columns and keys are renamed here; another one must have its names.
"""

import argparse
import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

COLUMNS = {"doubt_": "ood_", "doubt_novelty": "ood_feature_distance", "doubt_familiarity": "ood_feature_distance"}
"""Beginning of an old column -> of a new one; the longest that fits counts."""
KEYS = {
    "refer.kept_cells": "referral.accepted_cells",
    "refer.kept_accuracy": "referral.accepted_accuracy",
    "refer": "referral",
    "subject_level.stated_percentage": "subject_level.blast_threshold",
    "subject_level.fewest_cells": "subject_level.min_cells",
    "subject_level.left_out": "subject_level.excluded_cells",
    "risk_coverage.point": "risk_coverage.operating_point",
    "label_doubts.found": "label_errors.flagged",
    "label_doubts": "label_errors",
    "by_subject": "per_subject",
    "constant": "constant_baselines",
    "called": "predicted_positive",
}
"""Old key of metrics.json -> new key; the longest beginning that fits counts, the last entry at the end of a key."""
NOT_COMPARED = {"seconds"}
"""Columns of the curve that are times."""
_OF_INTERVALS = {"low", "high", "reason"}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("old", type=Path, help="run folder of the old revision")
    parser.add_argument("new", type=Path, help="run folder of this revision")
    options = parser.parse_args()
    old, new = options.old, options.new
    weights = [hashlib.sha256((run / "model" / "weights.safetensors").read_bytes()).hexdigest() for run in (old, new)]
    print(f"weights: {'equal' if weights[0] == weights[1] else 'DIFFERENT'}, bit for bit")
    curves = [pd.read_csv(run / "metrics.csv", dtype=str) for run in (old, new)]
    _report("training curve", _columns(*curves, NOT_COMPARED))
    tables = [pd.read_parquet(run / "predictions.parquet") for run in (old, new)]
    tables[0] = tables[0].rename(columns=lambda name: _renamed(name, COLUMNS))
    _report("predictions", _columns(*tables, set()))
    metrics = [dict(_leaves(json.loads((run / "metrics.json").read_text()))) for run in (old, new)]
    _report("metrics.json", _values({_renamed(key, KEYS): value for key, value in metrics[0].items()}, metrics[1]))


def _renamed(name: str, names: Mapping[str, str]) -> str:
    fitting = max((old for old in names if name == old or name.startswith(old)), key=len, default=None)
    renamed = name if fitting is None else names[fitting] + name[len(fitting) :]
    last = renamed.rpartition(".")[2]
    return renamed if last not in names else renamed[: -len(last)] + names[last]


def _leaves(content: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every number, text and null of a JSON document, with its key in dots."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else None
    if items is None:
        yield key.replace(".estimates.", "."), content
        return
    for name, value in items:
        yield from _leaves(value, f"{key}.{name}" if key else str(name))


def _columns(old: pd.DataFrame, new: pd.DataFrame, ignored: set[str]) -> dict[str, bool | None]:
    """Column -> whether all of its values are equal; None where only one table has it."""
    names = [name for name in dict.fromkeys([*old.columns, *new.columns]) if name not in ignored]
    both = set(old.columns) & set(new.columns)
    return {name: old[name].tolist() == new[name].tolist() if name in both else None for name in names}


def _values(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, bool | None]:
    """Key -> whether both values are equal, numbers up to the rounding of a sum in another order."""
    return {
        key: _same(old[key], new[key]) if key in old and key in new else None for key in dict.fromkeys([*old, *new])
    }


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, float) and isinstance(new, float):
        return math.isclose(old, new, rel_tol=1e-12)
    return bool(old == new)


def _report(title: str, equal: Mapping[str, bool | None]) -> None:
    different = [name for name, each in equal.items() if each is False]
    single = [name for name, each in equal.items() if each is None]
    same = len(equal) - len(different) - len(single)
    print(f"{title}: {same} equal, {len(different)} different, {len(single)} in one of them only")
    intervals = [name for name in different if name.rpartition(".")[2] in _OF_INTERVALS]
    if intervals:
        print(f"  different: {len(intervals)} ends of intervals, or the reason why there is no interval")
    print("".join(f"  different: {name}\n" for name in different if name not in intervals), end="")
    parts = Counter(".".join(name.split(".")[:2]) for name in single)
    print("".join(f"  in one of them only: {name} ({count})\n" for name, count in parts.items()), end="")


if __name__ == "__main__":
    main()
