"""The evaluation set: the cells of a predictions table that have a label and a prediction."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation.bootstrap import MetricGroup, MetricSpec
from lymphoscope.evaluation.metrics import METRICS, Metric
from lymphoscope.evaluation.outcomes import Floats, Mask, Outcomes, WeightedOutcomes, Weights
from lymphoscope.evaluation.predictions import check_predictions, classes_of
from lymphoscope.terminal import counted
from lymphoscope.vocabulary import STREAMS


@dataclass(frozen=True)
class EvaluationSet:
    """N cells: their `rows` of the table, sorted, and the `outcomes` of the vote with the mean score."""

    rows: pd.DataFrame
    outcomes: Outcomes

    @property
    def referred(self) -> Mask:
        """(N,) which cells are referred to a person."""
        return self.rows["refer"].to_numpy(bool)

    @property
    def streams(self) -> dict[str, Mask]:
        """Stream -> for which cells (N,) it ran; streams that never ran are left out."""
        ran = {stream: self.rows[f"{stream}_vote"].notna().to_numpy(bool) for stream in STREAMS}
        return {stream: cells for stream, cells in ran.items() if cells.any()}

    def of_stream(self, stream: str) -> Outcomes:
        """The outcomes of one stream alone, for the cells for which it ran."""
        rows = self.rows[self.rows[f"{stream}_vote"].notna()]
        return _outcomes(rows, self.outcomes.classes, self.outcomes.positive_index, f"{stream}_vote", stream)


def select_evaluation_set(table: pd.DataFrame, blast_class: str | None) -> EvaluationSet:
    """Select the cells with a label and a prediction, in an order that does not depend on that of the rows.

    Raises LymphoscopeError as `check_predictions` does, and where `blast_class` or a label is not one of the classes.
    """
    check_predictions(table)
    classes = tuple(classes_of(table))
    _check_classes(table, classes, blast_class)
    rows = table[table["predicted"].notna() & table["error"].isna() & table["label"].notna()]
    rows = rows.sort_values(["path", "predicted"], kind="stable")
    positive_index = None if blast_class is None else classes.index(blast_class)
    return EvaluationSet(rows, _outcomes(rows, classes, positive_index, "predicted", "score"))


def metric_group(
    outcomes: Outcomes,
    cells: Mask,
    metrics: Mapping[str, Metric] = METRICS,
    cell_weights: Floats | None = None,
) -> MetricGroup:
    """The metrics of a registry, for those `cells` (N,) of the table that `outcomes` are of.

    `cell_weights` (N,) weight the cells, as `weights_of_subject_means` does; without them all weigh the same.
    """
    fixed = np.ones(len(cells)) if cell_weights is None else cell_weights

    def depends_on(metric: Metric) -> Floats:
        of_table = np.zeros(len(cells))
        of_table[cells] = metric.depends_on(outcomes)
        return of_table * fixed

    def compute(weights: Weights) -> dict[str, Floats]:
        weights = weights if cell_weights is None else replace(weights, of_cell=cell_weights)
        weighted = WeightedOutcomes(outcomes, weights.at(cells))
        return {name: metric.compute(weighted) for name, metric in metrics.items()}

    def spec(metric: Metric) -> MetricSpec:
        exceptional = metric.exceptional and partial(metric.exceptional, outcomes, fixed[cells])
        undefined = metric.why_undefined(outcomes)
        facts = metric.worst, exceptional, metric.is_mean_over_classes
        return MetricSpec(depends_on(metric), metric.scale, undefined, *facts)

    return MetricGroup(compute, {name: spec(metric) for name, metric in metrics.items()})


def weights_of_subject_means(evaluated: EvaluationSet) -> Floats | None:
    """Cell weights (N,) that turn a mean over cells into a mean over subjects; None where a cell has no subject.

    A subject has weight 1 for each class of its cells, however many they are. Sensitivity is then the mean of the
    subjects' sensitivities, and so is specificity.
    """
    subjects = evaluated.rows["subject"]
    if subjects.isna().any() or not len(subjects):
        return None
    keys = pd.DataFrame({"subject": subjects.to_numpy(), "truth": evaluated.outcomes.truth})
    return 1.0 / keys.groupby(["subject", "truth"])["truth"].transform("size").to_numpy(np.float64)


def _outcomes(
    rows: pd.DataFrame, classes: tuple[str, ...], positive_index: int | None, predicted: str, scores: str
) -> Outcomes:
    index = {name: position for position, name in enumerate(classes)}
    return Outcomes(
        truth=rows["label"].map(index).to_numpy().astype(np.int64),
        predicted=rows[predicted].map(index).to_numpy().astype(np.int64),
        scores=rows[[f"{scores}_{name}" for name in classes]].to_numpy(np.float64),
        classes=classes,
        positive_index=positive_index,
    )


def _check_classes(table: pd.DataFrame, classes: tuple[str, ...], blast_class: str | None) -> None:
    if blast_class is not None and blast_class not in classes:
        raise LymphoscopeError(f"blast class {blast_class!r} is not one of the classes {', '.join(classes)}")
    unknown = table["label"][table["label"].notna() & ~table["label"].isin(list(classes))]
    if len(unknown):
        raise LymphoscopeError(
            f"label {unknown.iloc[0]!r} ({counted(len(unknown), 'cell')}) is not a class of the model "
            f"({', '.join(classes)}): rename these labels or remove the cells"
        )
