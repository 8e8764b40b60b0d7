"""DeLong's test of two areas under the ROC curve of the same cells.

Two predictions of the same cells: which is better, and whether these cells show it.

The bootstrap draws subjects, each with all of its cells and both answers, so what the two have in common cancels.
McNemar's and DeLong's tests take the cells as independent, which they are not within a subject: their p is too small
where subjects differ, and they stand here because readers know them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation.bootstrap import (
    BootstrapSamples,
    IntervalEstimate,
    MetricGroup,
    MetricSpec,
    draw_bootstrap_samples,
)
from lymphoscope.evaluation.calibration import ERRORS, calibration_error_group
from lymphoscope.evaluation.estimates import Difference, McNemar, PredictionComparison
from lymphoscope.evaluation.evaluation_set import EvaluationSet, scores_group, select_evaluation_set
from lymphoscope.evaluation.intervals import LEVEL
from lymphoscope.evaluation.metrics import METRICS, Floats
from lymphoscope.evaluation.predictions import as_predictions, check_predictions, classes_of
from lymphoscope.evaluation.risk_coverage import risk_coverage_area


@dataclass(frozen=True)
class DeLong:
    """The areas (A,) of A scores of the same cells, and their covariance (A, A) (DeLong et al. 1988)."""

    areas: Floats
    covariance: Floats

    @property
    def spread(self) -> float:
        """The standard error of the first area less the second."""
        variance = self.covariance[0, 0] + self.covariance[1, 1] - 2 * self.covariance[0, 1]
        return float(np.sqrt(max(0.0, variance)))

    def difference(self) -> Difference:
        """The first area less the second, with a normal interval."""
        one, other = float(self.areas[0]), float(self.areas[1])
        value, spread = one - other, self.spread
        if spread == 0:
            p, reason = (1.0, "the two rank the cells alike") if value == 0 else (None, "the areas have no spread")
            return Difference(value=value, p=p, reason=reason, one=one, other=other)
        reach = float(special.ndtri((1 + LEVEL) / 2)) * spread
        p = 2 * float(special.ndtr(-abs(value) / spread))
        return Difference(value=value, low=value - reach, high=value + reach, p=p, one=one, other=other)


def delong(positive: NDArray[np.bool_], scores: Floats) -> DeLong:
    """Positive (N,), scores (A, N) -> areas and covariance, by midranks in N log N (Sun and Xu 2014).

    The cells are taken as independent of each other. At least two positives and two negatives are needed.
    """
    ups, downs = scores[:, positive], scores[:, ~positive]
    of_ups, of_downs = ups.shape[1], downs.shape[1]
    ranks = _midranks(scores)
    above = (ranks[:, positive] - _midranks(ups)) / of_downs  # (A, m): share of the negatives below each positive
    below = 1 - (ranks[:, ~positive] - _midranks(downs)) / of_ups
    covariance = np.cov(above) / of_ups + np.cov(below) / of_downs
    return DeLong(above.mean(axis=1), np.atleast_2d(covariance))


def _midranks(scores: Floats) -> Floats:
    """Ranks from 1 within each row; equals share the mean of theirs."""
    return np.array([_midranks_of(row) for row in scores])


def _midranks_of(row: Floats) -> Floats:
    _, place, counts = np.unique(row, return_inverse=True, return_counts=True)
    middle: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return middle


RISK_COVERAGE: Final = "risk_coverage_area"
COMPARED: Final = (*METRICS, *ERRORS, RISK_COVERAGE)


def compare_predictions(
    one: pd.DataFrame, other: pd.DataFrame, *, blast_class: str | None, replicates: int = 2000, seed: int = 0
) -> PredictionComparison:
    """Compare two predictions tables cell by cell, matched by path: `one` less `other` for each of COMPARED.

    Cells without a label, or without an answer in one of the two, are left out, and a note says so. Raises
    LymphoscopeError, naming the cell, where one stands in only one of the tables, twice in a table, or with another
    label or subject; and for other classes.
    """
    one, other = _matched(one, other)
    usable = one["label"].notna()
    for table in (one, other):
        usable &= table["predicted"].notna() & table["error"].isna()
    if not usable.any():
        raise LymphoscopeError("no cell has a label and an answer in both tables: there is nothing to compare")
    first, second = select_evaluation_set(one[usable], blast_class), select_evaluation_set(other[usable], blast_class)
    draws = draw_bootstrap_samples(first.rows, first.outcomes, replicates=replicates, seed=seed)
    found = _compared(first, second, draws)
    if usable.all():
        return found
    left_out = f"{(~usable).sum()} of {len(usable)} cells have no label, or no answer in one of the tables: left out"
    note = "; ".join(filter(None, [found.bootstrap.note, left_out]))
    return found.model_copy(update={"bootstrap": found.bootstrap.model_copy(update={"note": note})})


def mcnemar(one_right: NDArray[np.bool_], other_right: NDArray[np.bool_]) -> McNemar:
    """McNemar's exact test of the cells (N,) that one has right and the other wrong: each way is as likely."""
    only_one, only_other = int((one_right & ~other_right).sum()), int((other_right & ~one_right).sum())
    p = 2 * float(special.bdtr(min(only_one, only_other), only_one + only_other, 0.5))
    return McNemar(only_one_right=only_one, only_other_right=only_other, p=min(1.0, p))


def _compared(one: EvaluationSet, other: EvaluationSet, draws: BootstrapSamples) -> PredictionComparison:
    answers = draws.answer({"one": _question(one), "other": _question(other), "less": _less(one, other)})
    return PredictionComparison(
        cells=len(one.rows),
        subjects=int(one.rows["subject"].nunique()),
        bootstrap=draws.described,
        differences={name: _difference(name, answers) for name in COMPARED},
        mcnemar=mcnemar(~one.wrong, ~other.wrong),
        delong=_delong(one, other),
    )


def _question(judged: EvaluationSet) -> MetricGroup:
    """All of COMPARED of one of the two."""
    outcomes, every = judged.outcomes, np.ones(len(judged.rows), dtype=bool)
    scores, errors = scores_group(outcomes, every), calibration_error_group(outcomes)
    area = MetricSpec(every, "bounded")

    def compute(weights: Floats) -> dict[str, Floats]:
        areas = risk_coverage_area(1 - judged.called, judged.wrong, weights)
        return {**scores.compute(weights), **errors.compute(weights), RISK_COVERAGE: areas}

    return MetricGroup(compute, {**scores.quantities, **errors.quantities, RISK_COVERAGE: area})


def _less(one: EvaluationSet, other: EvaluationSet) -> MetricGroup:
    first, second = _question(one), _question(other)

    def compute(weights: Floats) -> dict[str, Floats]:
        left, right = first.compute(weights), second.compute(weights)
        return {name: left[name] - right[name] for name in COMPARED}

    quantities = {name: replace(quantity, scale="difference") for name, quantity in first.quantities.items()}
    return MetricGroup(compute, quantities)


def _difference(name: str, answers: Mapping[str, Mapping[str, IntervalEstimate]]) -> Difference:
    found = answers["less"][name]
    return Difference(
        value=found.value,
        low=found.interval.low,
        high=found.interval.high,
        p=found.interval.p,
        reason=found.interval.reason,
        one=answers["one"][name].value,
        other=answers["other"][name].value,
    )


def _delong(one: EvaluationSet, other: EvaluationSet) -> Difference:
    """Of the blast class's score; with two classes and no blast among them, of the first's, as the AUC is."""
    kind = one.outcomes.blast
    if kind is None and len(one.outcomes.classes) > 2:
        return Difference(value=None, reason="none of the classes is a blast class")
    kind = kind or 0
    positive = one.outcomes.truth == kind
    if min(positive.sum(), (~positive).sum()) < 2:
        name = one.outcomes.classes[kind]
        return Difference(value=None, reason=f"two cells labelled {name} and two others are needed")
    tested = delong(positive, np.stack([one.outcomes.scores[:, kind], other.outcomes.scores[:, kind]]))
    return tested.difference()


def _matched(one: pd.DataFrame, other: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables in the order of the paths, with the classes in the order of the first."""
    for which, table in (("first", one), ("second", other)):
        check_predictions(table, f"the {which} table")
        twice = table["path"][table["path"].duplicated()]
        if len(twice):
            raise LymphoscopeError(f"{twice.iloc[0]} stands twice in the {which} table: a cell must have one answer")
    classes, others = classes_of(one), classes_of(other)
    if sorted(classes) != sorted(others):
        raise LymphoscopeError(f"the tables are of other classes: {', '.join(classes)}, and {', '.join(others)}")
    _check_same_cells(one["path"], other["path"])
    one, other = (table.sort_values("path").reset_index(drop=True) for table in (one, as_predictions(other, classes)))
    for column in ("label", "subject"):
        _check_same(one, other, column)
    return one, other


def _check_same_cells(one: "pd.Series[str]", other: "pd.Series[str]") -> None:
    for which, missing in (("second", one[~one.isin(other)]), ("first", other[~other.isin(one)])):
        if len(missing):
            raise LymphoscopeError(
                f"{missing.iloc[0]} is not in the {which} table ({len(missing)} cells are not): "
                "compare predictions of the same cells"
            )


def _check_same(one: pd.DataFrame, other: pd.DataFrame, column: str) -> None:
    left, right = one[column], other[column]
    differs = (left != right) & ~(left.isna() & right.isna())
    if differs.any():
        row = int(np.flatnonzero(differs)[0])
        raise LymphoscopeError(
            f"{one['path'][row]}: its {column} is {left[row]} in the first table and {right[row]} in the second "
            f"({differs.sum()} cells differ)"
        )
