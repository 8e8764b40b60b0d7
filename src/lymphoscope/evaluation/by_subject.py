"""Subject by subject: how many of one person's cells were called as labelled."""

import pandas as pd

from lymphoscope.evaluation.intervals import exact_interval
from lymphoscope.evaluation.judged import Judged
from lymphoscope.evaluation.measured import Measured
from lymphoscope.evaluation.schema import SubjectScores


def subject_scores(judged: Judged) -> list[SubjectScores]:
    """A row a subject, worst first; of equals the one with more cells, whose accuracy is the surer."""
    blast = judged.outcomes.blast
    blast_class = None if blast is None else judged.outcomes.classes[blast]
    rows = [_scores(str(name), cells, blast_class) for name, cells in judged.rows.groupby("subject", sort=True)]
    return sorted(rows, key=lambda row: (row.correct / row.cells, -row.cells, row.subject))


def _scores(subject: str, cells: pd.DataFrame, blast_class: str | None) -> SubjectScores:
    correct = int((cells["label"] == cells["predicted"]).sum())
    exact = exact_interval(correct, len(cells))
    return SubjectScores(
        subject=subject,
        label=", ".join(sorted(cells["label"].unique())),
        cells=len(cells),
        correct=correct,
        accuracy=Measured(value=correct / len(cells), low=exact.low, high=exact.high),
        blast_fraction=None if blast_class is None else float((cells["predicted"] == blast_class).mean()),
    )
