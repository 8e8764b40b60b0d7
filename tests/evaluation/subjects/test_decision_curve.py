from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from lymphoscope.evaluation import evaluate_subjects
from lymphoscope.evaluation.subjects.decision_curve import PREVALENCES, THRESHOLDS, Proportion

Maker = Callable[..., pd.DataFrame]


def by_dcurves(table: pd.DataFrame, prevalence: float | None) -> pd.DataFrame:
    from dcurves import dca  # takes seconds to import, in every process that collects the tests

    subjects = table.groupby("subject").agg(
        share=("predicted", lambda values: (values == "all").mean()), blast=("label", lambda values: values.iloc[0])
    )
    data = pd.DataFrame({"share": subjects["share"], "blast": (subjects["blast"] == "all").astype(int)})
    return dca(data=data, outcome="blast", modelnames=["share"], thresholds=np.array(THRESHOLDS), prevalence=prevalence)


def test_net_benefit_equals_dcurves(predictions: Maker) -> None:
    table = predictions(subjects=15, cells=7)
    curves = evaluate_subjects(table, blast_class="all", replicates=100).decision_curves
    own = 8 / 15
    assert [curve.prevalence for curve in curves] == pytest.approx(sorted([*PREVALENCES, own]))
    for curve in curves:
        assert curve.of_these_subjects == (curve.prevalence == pytest.approx(own))
        expected = by_dcurves(table, None if curve.of_these_subjects else curve.prevalence)
        for model, ours in (
            ("share", [point.net_benefit.value for point in curve.points]),
            ("all", [point.act_on_all for point in curve.points]),
        ):
            reference = expected[expected["model"] == model].sort_values("threshold")["net_benefit"]
            assert ours == pytest.approx(reference.tolist(), abs=1e-9)


def test_intervals_hold_the_benefit_and_only_benefits_that_are_possible(predictions: Maker) -> None:
    table = predictions(subjects=20, cells=9)
    for curve in evaluate_subjects(table, blast_class="all", replicates=50).decision_curves:
        for point in curve.points:
            benefit, odds = point.net_benefit, point.threshold / (1 - point.threshold)
            assert benefit.low < benefit.value < benefit.high <= curve.prevalence + 1e-12
            assert benefit.low >= -(1 - curve.prevalence) * odds - 1e-12


def test_without_false_alarms_the_upper_end_is_that_of_the_cases_found(predictions: Maker) -> None:
    """10 of 12 cases are found and none of 11 others: the exact interval of 10 of 12, by statsmodels."""
    table = predictions(subjects=23, cells=4).assign(predicted=lambda made: made["label"])
    missed = sorted(table.loc[table["label"] == "all", "subject"].unique())[:2]
    table.loc[table["subject"].isin(missed), "predicted"] = "hem"
    (low, high), (_, alarms) = (proportion_confint(*each, method="beta") for each in ((10, 12), (0, 11)))
    for curve in evaluate_subjects(table, blast_class="all", replicates=50).decision_curves:
        for point in curve.points:
            cost = (1 - curve.prevalence) * point.threshold / (1 - point.threshold) * alarms
            assert point.net_benefit.high == pytest.approx(curve.prevalence * high)
            lower = curve.prevalence * 10 / 12 - np.hypot(curve.prevalence * (10 / 12 - low), cost)
            assert point.net_benefit.low == pytest.approx(lower)


def test_linked_subjects_count_as_one_in_the_intervals() -> None:
    acts = np.array([[True], [True], [False], [True]])
    alone, linked = (Proportion.of(acts, np.array(groups)) for groups in ([0, 1, 2, 3], [0, 0, 1, 2]))
    assert alone.value == linked.value == 0.75
    assert linked.low[0] < alone.low[0] < alone.high[0] < linked.high[0]


def test_perfect_shares_find_every_subject_and_no_other(predictions: Maker) -> None:
    table = predictions(subjects=10).assign(predicted=lambda made: made["label"])
    for curve in evaluate_subjects(table, blast_class="all", replicates=50).decision_curves:
        assert [point.net_benefit.value for point in curve.points] == pytest.approx([curve.prevalence] * 19)


def test_without_subjects_of_both_kinds_there_is_no_curve(predictions: Maker) -> None:
    table = predictions()
    assert evaluate_subjects(table[table["label"] == "all"], blast_class="all", replicates=50).decision_curves == []
