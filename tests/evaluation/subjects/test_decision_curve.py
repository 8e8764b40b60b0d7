from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from dcurves import dca

from lymphoscope.evaluation import evaluate_subjects
from lymphoscope.evaluation.subjects.decision_curve import PREVALENCES, THRESHOLDS

Maker = Callable[..., pd.DataFrame]


def by_dcurves(table: pd.DataFrame, prevalence: float | None) -> pd.DataFrame:
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


def test_intervals_hold_the_benefit_or_say_why_there_are_none(predictions: Maker) -> None:
    table = predictions(subjects=20, cells=9)
    for curve in evaluate_subjects(table, blast_class="all", replicates=200).decision_curves:
        for point in curve.points:
            benefit = point.net_benefit
            assert benefit.reason if benefit.low is None else benefit.low <= benefit.value <= benefit.high


def test_perfect_shares_find_every_subject_and_no_other(predictions: Maker) -> None:
    table = predictions(subjects=10).assign(predicted=lambda made: made["label"])
    for curve in evaluate_subjects(table, blast_class="all", replicates=50).decision_curves:
        assert [point.net_benefit.value for point in curve.points] == pytest.approx([curve.prevalence] * 19)


def test_without_subjects_of_both_kinds_there_is_no_curve(predictions: Maker) -> None:
    table = predictions()
    assert evaluate_subjects(table[table["label"] == "all"], blast_class="all", replicates=50).decision_curves == []
