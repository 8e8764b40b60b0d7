"""The cells whose labels a model that never saw them doubts most: confident learning (Northcutt et al. 2021)."""

from typing import Final

import numpy as np
import pandas as pd

from lymphoscope.evaluation.predictions import classes_of
from lymphoscope.evaluation.schema import LabelError, LabelErrors
from lymphoscope.evaluation.subjects.subject_level import is_usable
from lymphoscope.extras import installed

METHOD: Final = (
    "confident learning (Northcutt et al. 2021, by cleanlab) on the scores of cells that the model had not seen: a "
    "label is doubted where the score of another class is at least that class's mean score on the cells labelled so; "
    "the lower the score of the given label, the earlier in the list"
)


def label_errors(table: pd.DataFrame, *, out_of_fold: bool) -> LabelErrors:
    """A predictions table -> the labelled cells whose labels are doubtful, most doubtful first.

    `out_of_fold` says that no cell, and no subject, was seen by the model that scored it. Only then is there a list: a
    model repeats the wrong labels that it was taught. A doubt is a reason to look, not a correction.
    """
    classes = classes_of(table)
    rows = table[is_usable(table) & table["label"].isin(classes).to_numpy()].sort_values("path", kind="stable")
    reason = _why_not(rows, out_of_fold=out_of_fold)
    found = [] if reason else _doubts(rows, [name for name in classes if (rows["label"] == name).any()])
    return LabelErrors(method=METHOD, cells=len(rows), found=found, reason=reason)


def _why_not(rows: pd.DataFrame, *, out_of_fold: bool) -> str | None:
    if not out_of_fold:
        return "the model may have seen these labels in training: predictions out of fold are needed"
    if not installed("cleanlab"):
        return "cleanlab is not installed: pip install 'lymphoscope[audit]'"
    if rows["label"].nunique() < 2:
        return f"the labels name {rows['label'].nunique()} class(es), at least two are needed"
    return None


def _doubts(rows: pd.DataFrame, classes: list[str]) -> list[LabelError]:
    """Of labelled classes only: cleanlab cannot say how sure the model is of a class that no cell is labelled as."""
    # A second to import, and nobody else needs it.
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
    paths, subjects, said = rows["path"].to_list(), rows["subject"].to_list(), scores.argmax(axis=1)
    return [
        LabelError(
            path=paths[cell],
            subject=subjects[cell],
            label=classes[labels[cell]],
            suggested=classes[said[cell]],
            quality=float(quality[cell]),
        )
        for cell in doubtful.tolist()
    ]
