"""Predictions -> the content of metrics.json."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation.constants import constant_scores
from lymphoscope.evaluation.intervals import LEVEL, Interval, bootstrap, units_of
from lymphoscope.evaluation.metrics import METRICS, Outcomes, confusions, measure, why_undefined
from lymphoscope.evaluation.predictions import STREAMS, check_predictions, classes_of
from lymphoscope.evaluation.roc import RocCurve, roc_curve

FORMAT_VERSION = 1


def evaluate_predictions(
    table: pd.DataFrame, *, blast_class: str | None, replicates: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """A predictions table -> its numbers, as metrics.json holds them (no NaN).

    The vote, each stream on the cells that it saw, and the constant classifiers; a number that cannot be had is None
    beside its reason. `blast_class` is None where the model has none. Raises LymphoscopeError when it or a label is
    not one of the table's classes.
    """
    check_predictions(table)
    classes = classes_of(table)
    _check_classes(table, classes, blast_class)
    usable = table["predicted"].notna() & table["error"].isna()
    rows = _evaluated(table)
    outcomes = _outcomes(rows, classes, blast_class, "predicted", "score")
    drawn = _Drawn(rows, replicates, seed)
    return {
        "format_version": FORMAT_VERSION,
        "cells": len(table),
        "evaluated": len(rows),
        "failed": int((~usable).sum()),
        "unlabelled": int((usable & table["label"].isna()).sum()),
        "subjects": int(rows["subject"].nunique()),
        "classes": classes,
        "blast_class": blast_class,
        "prevalence": _share(outcomes.is_blast) if blast_class else None,
        "bootstrap": drawn.described,
        "vote": drawn.judge(outcomes),
        "streams": _streams(rows, classes, blast_class, drawn),
        "constant": _constants(outcomes),
        "confusion": {"labels": classes, "matrix": _confusion(outcomes)},
        "by_subject": _by_subject(rows, blast_class),
        "refer": _refer(table, rows),
    }


def roc_of_predictions(table: pd.DataFrame, *, blast_class: str | None, seed: int = 0) -> RocCurve | None:
    """The ROC curve of the blast class's score, its band drawn as the intervals of `evaluate_predictions` are.

    None where no evaluated cell is a blast, or every one, or where there is no blast class.
    """
    rows = _evaluated(table)
    outcomes = _outcomes(rows, classes_of(table), blast_class, "predicted", "score")
    return roc_curve(outcomes, units_of(_names(rows), outcomes), seed=seed)


class _Drawn:
    """The bootstrap of one table: over subjects where every cell has one, else over cells."""

    def __init__(self, rows: pd.DataFrame, replicates: int, seed: int) -> None:
        without = int(rows["subject"].isna().sum())
        self._unit = "cell" if without or rows.empty else "subject"
        self._replicates, self._seed = replicates, seed
        self._names = _names(rows)
        self.described = {"unit": self._unit, "replicates": replicates, "seed": seed, "level": LEVEL}
        if without:
            self.described["note"] = (
                f"{without} of {len(rows)} cells have no subject, so cells were drawn as if they were independent: "
                "the intervals are likely too narrow"
            )

    def judge(self, outcomes: Outcomes, rows: "NDArray[np.bool_] | slice" = slice(None)) -> dict[str, Any]:
        """Every metric with its interval, of the cells `rows` that `outcomes` are of."""
        values = measure(outcomes, np.ones((1, len(outcomes.truth))))
        units = units_of(self._names[rows], outcomes)
        intervals = bootstrap(outcomes, units, unit=self._unit, replicates=self._replicates, seed=self._seed)
        return {
            metric: _entry(float(values[metric][0]), why_undefined(metric, outcomes), intervals[metric])
            for metric in METRICS
        }


def _evaluated(table: pd.DataFrame) -> pd.DataFrame:
    rows = table[table["predicted"].notna() & table["error"].isna() & table["label"].notna()]
    # Sorted, so that the draws of the bootstrap do not depend on the order of the rows.
    return rows.sort_values(["path", "predicted"], kind="stable")


def _names(rows: pd.DataFrame) -> NDArray[np.object_]:
    subjects = rows["subject"]
    return np.arange(len(rows)).astype(object) if subjects.isna().any() else subjects.to_numpy(object)


def _entry(value: float, undefined: str | None, interval: Interval) -> dict[str, Any]:
    if undefined:
        return {"value": None, "low": None, "high": None, "reason": undefined}
    entry: dict[str, Any] = {"value": value, "low": interval.low, "high": interval.high}
    return entry | ({"reason": interval.reason} if interval.reason else {})


def _streams(rows: pd.DataFrame, classes: list[str], blast_class: str | None, drawn: _Drawn) -> dict[str, Any]:
    judged = {}
    for stream in STREAMS:
        seen = rows[f"{stream}_vote"].notna().to_numpy(bool)
        if not seen.any():
            continue
        outcomes = _outcomes(rows[seen], classes, blast_class, f"{stream}_vote", stream)
        judged[stream] = {"cells": int(seen.sum()), **drawn.judge(outcomes, seen)}
        if not seen.all():
            judged[stream]["note"] = f"on the {seen.sum()} of {len(rows)} cells for which this stream was run"
    return judged


def _outcomes(rows: pd.DataFrame, classes: list[str], blast_class: str | None, said: str, kind: str) -> Outcomes:
    position = {name: index for index, name in enumerate(classes)}
    return Outcomes(
        truth=rows["label"].map(position).to_numpy().astype(np.int64),
        predicted=rows[said].map(position).to_numpy().astype(np.int64),
        scores=rows[[f"{kind}_{name}" for name in classes]].to_numpy(np.float64),
        classes=tuple(classes),
        blast=None if blast_class is None else position[blast_class],
    )


def _constants(outcomes: Outcomes) -> dict[str, dict[str, dict[str, Any]]]:
    reasons = {metric: why_undefined(metric, outcomes) for metric in METRICS}
    return {
        name: {m: {"value": None, "reason": reasons[m]} if reasons[m] else {"value": v} for m, v in values.items()}
        for name, values in constant_scores(outcomes).items()
    }


def _confusion(outcomes: Outcomes) -> list[list[int]]:
    matrix: list[list[int]] = confusions(outcomes, np.ones((1, len(outcomes.truth))))[0].astype(int).tolist()
    return matrix


def _by_subject(rows: pd.DataFrame, blast_class: str | None) -> list[dict[str, Any]]:
    found = []
    for subject, cells in rows.groupby("subject", sort=True):
        correct = int((cells["label"] == cells["predicted"]).sum())
        found.append(
            {
                "subject": str(subject),
                "label": ", ".join(sorted(cells["label"].unique())),
                "cells": len(cells),
                "correct": correct,
                "accuracy": correct / len(cells),
                "blast_fraction": _share(cells["predicted"] == blast_class) if blast_class else None,
            }
        )
    return found


def _refer(table: pd.DataFrame, rows: pd.DataFrame) -> dict[str, Any]:
    referred = table[table["refer"].astype(bool)]
    reasons = referred["refer_reason"].dropna().str.split("; ").explode()
    kept = rows[~rows["refer"].astype(bool)]
    return {
        "cells": len(referred),
        "fraction": len(referred) / len(table),
        "reasons": {str(reason): int(count) for reason, count in reasons.value_counts().items()},
        "kept": {
            "cells": len(kept),
            "accuracy": _share(kept["label"] == kept["predicted"]),
        },
    }


def _share(true: "NDArray[np.bool_] | pd.Series[bool]") -> float | None:
    return float(true.mean()) if len(true) else None


def _check_classes(table: pd.DataFrame, classes: list[str], blast_class: str | None) -> None:
    if blast_class is not None and blast_class not in classes:
        raise LymphoscopeError(f"blast class {blast_class!r} is not one of the classes {', '.join(classes)}")
    unknown = table["label"][table["label"].notna() & ~table["label"].isin(classes)]
    if len(unknown):
        raise LymphoscopeError(
            f"label {unknown.iloc[0]!r} ({len(unknown)} cells) is not a class of the model ({', '.join(classes)}): "
            "rename the labels, or leave these cells out"
        )
