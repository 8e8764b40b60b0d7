"""The cells of a predictions table that can be judged: those with a label and an answer."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation.bootstrap import MetricGroup, MetricSpec
from lymphoscope.evaluation.metrics import METRICS, Floats, Outcomes, measure, relevant, why_undefined
from lymphoscope.evaluation.predictions import check_predictions, classes_of
from lymphoscope.vocabulary import STREAMS


@dataclass(frozen=True)
class EvaluationSet:
    """N cells: their `rows` of the table, sorted, and the `outcomes` of the vote with the mean score."""

    rows: pd.DataFrame
    outcomes: Outcomes

    @property
    def called(self) -> Floats:
        """(N,) the score of the class that each cell was called."""
        return self.outcomes.scores[np.arange(len(self.rows)), self.outcomes.predicted]

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """(N,) which cells were called otherwise than labelled."""
        return np.not_equal(self.outcomes.predicted, self.outcomes.truth)

    @property
    def referred(self) -> NDArray[np.bool_]:
        """(N,) which cells a person must look at."""
        return self.rows["refer"].to_numpy(bool)

    @property
    def streams(self) -> dict[str, NDArray[np.bool_]]:
        """Stream -> for which cells (N,) it ran; those that never ran are left out."""
        ran = {stream: self.rows[f"{stream}_vote"].notna().to_numpy(bool) for stream in STREAMS}
        return {stream: seen for stream, seen in ran.items() if seen.any()}

    def of_stream(self, stream: str) -> Outcomes:
        """What one stream alone said of the cells for which it ran."""
        seen = self.rows[self.rows[f"{stream}_vote"].notna()]
        return _outcomes(seen, self.outcomes.classes, self.outcomes.blast, f"{stream}_vote", stream)


def select_evaluation_set(table: pd.DataFrame, blast_class: str | None) -> EvaluationSet:
    """The cells of a table that can be judged, in an order that does not depend on that of its rows.

    Raises LymphoscopeError as `check_predictions` does, and where `blast_class` or a label is not one of the classes.
    """
    check_predictions(table)
    classes = tuple(classes_of(table))
    _check_classes(table, classes, blast_class)
    rows = table[table["predicted"].notna() & table["error"].isna() & table["label"].notna()]
    rows = rows.sort_values(["path", "predicted"], kind="stable")
    blast = None if blast_class is None else classes.index(blast_class)
    return EvaluationSet(rows, _outcomes(rows, classes, blast, "predicted", "score"))


def scores_group(outcomes: Outcomes, seen: NDArray[np.bool_]) -> MetricGroup:
    """Every metric of METRICS, of the cells `seen` (N,) of the table that `outcomes` are of."""

    def rests_on(metric: str) -> NDArray[np.bool_]:
        cells = np.zeros(len(seen), dtype=bool)
        cells[seen] = relevant(metric, outcomes)
        return cells

    quantities = {metric: MetricSpec(rests_on(metric), undefined=why_undefined(metric, outcomes)) for metric in METRICS}
    whole = bool(seen.all())
    return MetricGroup(lambda weights: measure(outcomes, weights if whole else weights[:, seen]), quantities)


def _outcomes(rows: pd.DataFrame, classes: tuple[str, ...], blast: int | None, said: str, kind: str) -> Outcomes:
    position = {name: index for index, name in enumerate(classes)}
    return Outcomes(
        truth=rows["label"].map(position).to_numpy().astype(np.int64),
        predicted=rows[said].map(position).to_numpy().astype(np.int64),
        scores=rows[[f"{kind}_{name}" for name in classes]].to_numpy(np.float64),
        classes=classes,
        blast=blast,
    )


def _check_classes(table: pd.DataFrame, classes: tuple[str, ...], blast_class: str | None) -> None:
    if blast_class is not None and blast_class not in classes:
        raise LymphoscopeError(f"blast class {blast_class!r} is not one of the classes {', '.join(classes)}")
    unknown = table["label"][table["label"].notna() & ~table["label"].isin(list(classes))]
    if len(unknown):
        raise LymphoscopeError(
            f"label {unknown.iloc[0]!r} ({len(unknown)} cells) is not a class of the model ({', '.join(classes)}): "
            "rename the labels, or leave these cells out"
        )
