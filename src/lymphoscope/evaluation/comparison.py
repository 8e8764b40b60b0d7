"""Two predictions of the same cells: which is better, and whether these cells show it.

The bootstrap draws subjects, each with all of its cells and both answers, so what the two have in common cancels.
McNemar's and DeLong's tests take the cells as independent, which they are not within a subject: their p is too small
where subjects differ, and they stand here because readers know them.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation.bootstrap import Answer, Draws, Quantity, Question, draws_of
from lymphoscope.evaluation.calibration import ERRORS, errors_question
from lymphoscope.evaluation.delong import delong
from lymphoscope.evaluation.judged import Judged, judged_cells, scores_question
from lymphoscope.evaluation.measured import Difference, McNemar, PredictionComparison
from lymphoscope.evaluation.metrics import METRICS, Floats
from lymphoscope.evaluation.predictions import as_predictions, check_predictions, classes_of
from lymphoscope.evaluation.risk_coverage import risk_coverage_area

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
    first, second = judged_cells(one[usable], blast_class), judged_cells(other[usable], blast_class)
    draws = draws_of(first.rows, first.outcomes, replicates=replicates, seed=seed)
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


def _compared(one: Judged, other: Judged, draws: Draws) -> PredictionComparison:
    answers = draws.answer({"one": _question(one), "other": _question(other), "less": _less(one, other)})
    return PredictionComparison(
        cells=len(one.rows),
        subjects=int(one.rows["subject"].nunique()),
        bootstrap=draws.described,
        differences={name: _difference(name, answers) for name in COMPARED},
        mcnemar=mcnemar(~one.wrong, ~other.wrong),
        delong=_delong(one, other),
    )


def _question(judged: Judged) -> Question:
    """All of COMPARED of one of the two."""
    outcomes, every = judged.outcomes, np.ones(len(judged.rows), dtype=bool)
    scores, errors = scores_question(outcomes, every), errors_question(outcomes)
    area = Quantity(every, "bounded")

    def compute(weights: Floats) -> dict[str, Floats]:
        areas = risk_coverage_area(1 - judged.called, judged.wrong, weights)
        return {**scores.compute(weights), **errors.compute(weights), RISK_COVERAGE: areas}

    return Question(compute, {**scores.quantities, **errors.quantities, RISK_COVERAGE: area})


def _less(one: Judged, other: Judged) -> Question:
    first, second = _question(one), _question(other)

    def compute(weights: Floats) -> dict[str, Floats]:
        left, right = first.compute(weights), second.compute(weights)
        return {name: left[name] - right[name] for name in COMPARED}

    quantities = {name: replace(quantity, scale="difference") for name, quantity in first.quantities.items()}
    return Question(compute, quantities)


def _difference(name: str, answers: Mapping[str, Mapping[str, Answer]]) -> Difference:
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


def _delong(one: Judged, other: Judged) -> Difference:
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
