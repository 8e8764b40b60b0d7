"""Two predictions of the same cells: which is better, and whether these cells show it.

The bootstrap of the intervals draws whole subjects with both predictions of their cells, so that what the two have in
common cancels. McNemar's and DeLong's tests assume independent cells; for cells of a few subjects they find a
difference between equally good models up to ten times as often as they should. Their place is taken by tests that
exchange the two models on whole subjects.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation.auc_test import compare_areas
from lymphoscope.evaluation.bootstrap import (
    BootstrapSamples,
    MetricGroup,
    MetricSpec,
    draw_bootstrap_samples,
    unit_names,
)
from lymphoscope.evaluation.calibration import CALIBRATION_METRICS, calibration_group
from lymphoscope.evaluation.estimates import AucTest, Difference, DiscordantCells, Estimate, PredictionComparison, Scale
from lymphoscope.evaluation.evaluation_set import EvaluationSet, metric_group, select_evaluation_set
from lymphoscope.evaluation.exchange_test import exchange_p
from lymphoscope.evaluation.metrics import METRICS, NO_POSITIVE_CLASS
from lymphoscope.evaluation.outcomes import Floats, Mask, Outcomes, Weights
from lymphoscope.evaluation.predictions import as_predictions, check_predictions, classes_of, has_prediction
from lymphoscope.evaluation.risk_coverage import risk_coverage_area
from lymphoscope.evaluation.subject_tests import NO_P, holm, sign_flip_p
from lymphoscope.terminal import counted
from lymphoscope.vocabulary import GROUP_COLUMN

RISK_COVERAGE: Final = "risk_coverage_area"


def compared_metrics() -> tuple[str, ...]:
    """The names of everything that is compared: both registries, and the area under risk-coverage."""
    return (*METRICS, *CALIBRATION_METRICS, RISK_COVERAGE)


def compare_predictions(
    one: pd.DataFrame, other: pd.DataFrame, *, blast_class: str | None, replicates: int = 2000, seed: int = 0
) -> PredictionComparison:
    """Compare two predictions tables, matched by path: `one` minus `other` for each of `compared_metrics`.

    Cells without a label, or without a prediction in one of the two, are left out, and a note says so. Raises
    LymphoscopeError, naming the cell, where one is in only one of the tables, twice in a table, or has another label
    or subject; and where the classes differ.
    """
    one, other = _matched(one, other)
    usable = one["label"].notna() & has_prediction(one) & has_prediction(other)
    if not usable.any():
        raise LymphoscopeError("no cell has a label and a prediction in both tables: there is nothing to compare")
    first, second = select_evaluation_set(one[usable], blast_class), select_evaluation_set(other[usable], blast_class)
    samples = draw_bootstrap_samples(first.rows, first.outcomes, replicates=replicates, seed=seed)
    comparison = _compared(first, second, samples)
    if usable.all():
        return comparison
    excluded = (
        f"{(~usable).sum()} of {len(usable)} cells have no label, or no prediction in one of the tables: left out"
    )
    note = "; ".join(filter(None, [comparison.bootstrap.note, excluded]))
    return comparison.model_copy(update={"bootstrap": comparison.bootstrap.model_copy(update={"note": note})})


def discordant_cells(one_correct: Mask, other_correct: Mask, units: NDArray[np.object_]) -> DiscordantCells:
    """Test the cells (N,) that only one of two predicts correctly, by sign flips over their `units` (N,)."""
    only_one, only_other = one_correct & ~other_correct, other_correct & ~one_correct
    codes = np.unique(units.astype(str), return_inverse=True)[1]
    differences = np.bincount(codes, only_one.astype(np.float64) - only_other).astype(np.float64)
    p = sign_flip_p(differences)
    return DiscordantCells(
        only_one_right=int(only_one.sum()),
        only_other_right=int(only_other.sum()),
        p=p,
        reason=NO_P if p is None else None,
    )


def _compared(one: EvaluationSet, other: EvaluationSet, samples: BootstrapSamples) -> PredictionComparison:
    first, second = (_compared_group(each.outcomes).remembered() for each in (one, other))
    estimates = samples.estimate({"one": first, "other": second, "difference": difference_group(first, second)})
    replicates, seed = samples.bootstrap.replicates, samples.bootstrap.seed
    p_values = exchange_p(
        one.outcomes, other.outcomes, samples.units.of_cell, _compared_group, exchanges=replicates, seed=seed
    )
    auc_test = _auc_test(one, other)
    reasons: dict[str, str | None] = {name: NO_P for name, p in p_values.items() if p is None}
    if len(one.outcomes.classes) == 2:  # by ranks: two models need not use the same scale
        p_values["auc"], reasons["auc"] = auc_test.p, auc_test.reason
    return PredictionComparison(
        cells=len(one.rows),
        subjects=int(one.rows["subject"].nunique()),
        bootstrap=samples.bootstrap,
        differences=_differences(estimates, p_values, reasons),
        discordant=discordant_cells(one.outcomes.correct, other.outcomes.correct, unit_names(one.rows)),
        auc_test=auc_test,
    )


def difference_group(one: MetricGroup, other: MetricGroup) -> MetricGroup:
    """Every number of `one` minus that of `other`, in each bootstrap sample.

    A biased number has no interval of its difference, either.
    """

    def compute(weights: Weights) -> dict[str, Floats]:
        first, second = one.compute(weights), other.compute(weights)
        return {name: first[name] - second[name] for name in one.specs}

    return MetricGroup(compute, {name: _of_difference(spec) for name, spec in one.specs.items()})


def _of_difference(spec: MetricSpec) -> MetricSpec:
    scale: Scale = spec.scale if spec.scale == "biased" else "difference"
    return replace(spec, scale=scale, worst=None, exceptional=None)


def _compared_group(outcomes: Outcomes) -> MetricGroup:
    every = np.ones(len(outcomes.truth), dtype=bool)
    scores, errors = metric_group(outcomes, every), calibration_group(outcomes)

    def compute(weights: Weights) -> dict[str, Floats]:
        area = risk_coverage_area(1 - outcomes.predicted_score, ~outcomes.correct, weights)
        return {**scores.compute(weights), **errors.compute(weights), RISK_COVERAGE: area}

    return MetricGroup(compute, {**scores.specs, **errors.specs, RISK_COVERAGE: MetricSpec(every, "bounded")})


def _differences(
    estimates: Mapping[str, Mapping[str, Estimate]],
    p_values: Mapping[str, float | None],
    reasons: Mapping[str, str | None],
) -> dict[str, Difference]:
    names = compared_metrics()
    defined = {name: None if estimates["difference"][name].value is None else p_values[name] for name in names}
    adjusted = holm([defined[name] for name in names])
    return {
        name: Difference(
            **{**dict(estimates["difference"][name]), "p": defined[name]},
            one=estimates["one"][name].value,
            other=estimates["other"][name].value,
            p_reason=None if estimates["difference"][name].value is None else reasons.get(name),
            p_holm=p_holm,
        )
        for name, p_holm in zip(names, adjusted, strict=True)
    }


def _auc_test(one: EvaluationSet, other: EvaluationSet) -> AucTest:
    """Of the score of the positive class; with two classes and no positive class, of the first's, as the AUC is."""
    index, classes = one.outcomes.positive_index, one.outcomes.classes
    if index is None and len(classes) > 2:
        return AucTest(reason=NO_POSITIVE_CLASS)
    index = index or 0
    positive = one.outcomes.truth == index
    if positive.all() or not positive.any():
        return AucTest(reason=f"cells labelled {classes[index]}, and others, needed")
    scores = np.stack([one.outcomes.scores[:, index], other.outcomes.scores[:, index]])
    return compare_areas(positive, scores, unit_names(one.rows))


def _matched(one: pd.DataFrame, other: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables in the order of the paths, with the classes in the order of the first."""
    for which, table in (("first", one), ("second", other)):
        check_predictions(table, f"the {which} table")
        repeated = table["path"][table["path"].duplicated()]
        if len(repeated):
            raise LymphoscopeError(f"{repeated.iloc[0]} is twice in the {which} table: give each cell one prediction")
    classes, others = classes_of(one), classes_of(other)
    if sorted(classes) != sorted(others):
        raise LymphoscopeError(
            f"the tables have different classes: {', '.join(classes)}, and {', '.join(others)}: compare models of the "
            "same classes"
        )
    _check_same_cells(one["path"], other["path"])
    one, other = (table.sort_values("path").reset_index(drop=True) for table in (one, as_predictions(other, classes)))
    for column in ("label", "subject", GROUP_COLUMN):
        if column in one and column in other:
            _check_same(one, other, column)
    if GROUP_COLUMN in other and GROUP_COLUMN not in one:
        one = one.assign(**{GROUP_COLUMN: other[GROUP_COLUMN]})
    return one, other


def _check_same_cells(one: "pd.Series[str]", other: "pd.Series[str]") -> None:
    for which, missing in (("second", one[~one.isin(other)]), ("first", other[~other.isin(one)])):
        if len(missing):
            raise LymphoscopeError(
                f"{missing.iloc[0]} is not in the {which} table ({counted(len(missing), 'such cell')}): "
                "compare predictions of the same cells"
            )


def _check_same(one: pd.DataFrame, other: pd.DataFrame, column: str) -> None:
    left, right = one[column], other[column]
    differs = (left != right) & ~(left.isna() & right.isna())
    if differs.any():
        row = int(np.flatnonzero(differs)[0])
        raise LymphoscopeError(
            f"{one['path'][row]}: its {column} is {left[row]} in the first table and {right[row]} in the second "
            f"({counted(int(differs.sum()), 'such cell')})"
        )
