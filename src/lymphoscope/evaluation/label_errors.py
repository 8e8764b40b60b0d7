"""Likely label errors: cells whose labels a model that was not trained on them finds improbable.

Confident learning (Northcutt et al. 2021, Confident learning: estimating uncertainty in dataset labels, JAIR 70).
"""

from typing import Final

import numpy as np
import pandas as pd

from lymphoscope.evaluation.predictions import classes_of, has_prediction
from lymphoscope.evaluation.schema import LabelError, LabelErrors
from lymphoscope.extras import installed

METHOD: Final = (
    "confident learning (Northcutt et al. 2021, by cleanlab) on the scores of cells that the model was not trained on: "
    "a label is doubtful where the model's highest score is that of another class, and at least the mean score of that "
    "class on the cells labelled so; the lower the score of the given label, the earlier in the list"
)


def find_label_errors(table: pd.DataFrame, *, held_out: bool) -> LabelErrors:
    """List the labelled cells of a predictions table with doubtful labels, most doubtful first.

    `held_out` states that no cell, and no subject, was used to train the model that scored it. Otherwise there is no
    list, because a model reproduces the wrong labels that it was trained on. A listed cell should be checked by a
    person; the list is not a correction.
    """
    classes = classes_of(table)
    rows = table[has_prediction(table) & table["label"].isin(classes).to_numpy()].sort_values("path", kind="stable")
    reason = _why_not(rows, held_out=held_out)
    flagged = [] if reason else _flagged(rows, [name for name in classes if (rows["label"] == name).any()])
    return LabelErrors(method=METHOD, cells=len(rows), flagged=flagged, reason=reason)


def _why_not(rows: pd.DataFrame, *, held_out: bool) -> str | None:
    if not held_out:
        return "the model may have been trained on these labels: predictions of held-out cells are needed"
    if not installed("cleanlab"):
        return "cleanlab is not installed: pip install 'lymphoscope[audit]'"
    if rows["label"].nunique() < 2:
        return f"the labels name {rows['label'].nunique()} class(es), at least two are needed"
    return None


def _flagged(rows: pd.DataFrame, classes: list[str]) -> list[LabelError]:
    """Of labelled classes only: cleanlab has no threshold for a class that no cell is labelled as."""
    # Takes a second to import, and nothing else needs it.
    from cleanlab.filter import find_label_issues  # type: ignore[import-untyped]
    from cleanlab.rank import get_label_quality_scores  # type: ignore[import-untyped]

    labels = rows["label"].map({name: index for index, name in enumerate(classes)}).to_numpy(dtype=np.int64)
    scores = rows[[f"score_{name}" for name in classes]].to_numpy(dtype=np.float64)
    scores = scores / scores.sum(axis=1, keepdims=True)
    doubtful = find_label_issues(
        labels,
        scores,
        filter_by="confident_learning",
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    quality = get_label_quality_scores(labels, scores, method="self_confidence")
    paths, subjects, suggested = rows["path"].to_list(), rows["subject"].to_list(), scores.argmax(axis=1)
    return [
        LabelError(
            path=paths[cell],
            subject=subjects[cell],
            label=classes[labels[cell]],
            suggested=classes[suggested[cell]],
            quality=float(quality[cell]),
        )
        for cell in doubtful.tolist()
    ]
