from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as reference

from lymphoscope.evaluation import roc as roc_module, roc_of_predictions
from lymphoscope.vocabulary import STREAMS

Maker = Callable[..., pd.DataFrame]


def test_curve_equals_scikit_learn(predictions: Maker) -> None:
    table = predictions().round(2)  # ties
    curve = roc_of_predictions(table, blast_class="all")
    false, true, _ = reference.roc_curve(table["label"] == "all", table["score_all"], drop_intermediate=False)
    np.testing.assert_allclose(curve.false_positive, false)
    np.testing.assert_allclose(curve.true_positive, true)


def test_band_holds_the_curve(predictions: Maker) -> None:
    curve = roc_of_predictions(predictions(subjects=20, cells=20), blast_class="all")
    inside = (curve.grid >= curve.band_from) & (curve.grid < 1)
    true = np.interp(curve.grid, curve.false_positive, curve.true_positive)[inside]
    assert (curve.low[inside] <= true + 1e-9).all()
    assert (curve.high[inside] >= true - 1e-9).all()
    assert (curve.high - curve.low)[inside].max() > 0.05


@pytest.mark.parametrize("subjects", [8, 20, 61])
def test_band_begins_where_unseen_exceptional_subjects_no_longer_make_up_the_curve(
    predictions: Maker, subjects: int
) -> None:
    """The exact bound of Clopper and Pearson: none of n other subjects is exceptional, so at most a share of all is."""
    table = predictions(subjects=subjects, cells=6)
    others = table.loc[table["label"] == "hem", "subject"].nunique()
    unseen = stats.binomtest(0, others, alternative="less").proportion_ci(method="exact").high
    curve = roc_of_predictions(table, blast_class="all")
    has_band = curve.grid >= unseen
    assert curve.band_from == pytest.approx(curve.grid[has_band][0])
    assert np.isnan(curve.low[~has_band]).all()
    assert np.isnan(curve.high[~has_band]).all()
    assert not np.isnan(curve.low[has_band]).any()
    assert f"{others} subjects with other cells" in curve.reason
    assert f"{100 * unseen:.1f} %" in curve.reason


def test_lower_edge_has_room_for_exceptional_subjects_of_each_class(predictions: Maker) -> None:
    """The curve is computed with one more subject of the class, of this weight, whose cells have the worst score."""
    table = predictions(subjects=24, cells=20)
    curve = roc_of_predictions(table, blast_class="all")
    for label, score in (("hem", 1.0), ("all", 0.0)):
        cells, subjects = table["label"] == label, table.loc[table["label"] == label, "subject"].nunique()
        unseen = 1 - 0.05 ** (1 / subjects)
        truth = np.concatenate([table["label"] == "all", [label == "all"]])
        scores = np.concatenate([table["score_all"], [score]])
        weight = np.concatenate([np.ones(len(table)), [cells.sum() * unseen / (1 - unseen)]])
        false, true, _ = reference.roc_curve(truth, scores, sample_weight=weight, drop_intermediate=False)
        inside = (curve.grid >= curve.band_from) & (curve.grid < 0.99)
        assert (curve.low[inside] <= np.interp(curve.grid[inside] + 1e-9, false, true) + 1e-6).all()


def test_upper_edge_is_not_inside_the_exact_bound_where_one_subject_misses_cells(predictions: Maker) -> None:
    """One of 20 subjects has a cell with the lowest score; there the band of 60 subjects held the curve in 86 %."""
    table = predictions(subjects=40, cells=10)
    score = np.where(table["label"] == "all", 0.9, 0.1) + np.linspace(0, 0.05, len(table))
    score[np.flatnonzero(table["label"] == "all")[0]] = 0.01
    table = table.assign(**{f"{each}_all": score for each in ("score", *STREAMS)})
    table = table.assign(**{f"{each}_hem": 1 - score for each in ("score", *STREAMS)})
    curve = roc_of_predictions(table, blast_class="all")
    exact = stats.binomtest(1, 20).proportion_ci(method="exact").low
    missed = 1 - curve.true_positive[-2]
    assert missed == pytest.approx(1 / 200)
    inside = (curve.grid >= curve.band_from) & (curve.grid < 1)
    assert (1 - curve.high[inside] <= missed * exact * 20 + 1e-9).all()


def test_without_enough_subjects_there_is_no_band_and_the_reason_is_given(predictions: Maker) -> None:
    """It was drawn from 0 to 1."""
    table = predictions(subjects=8, cells=6)
    one = table[(table["label"] == "all") | (table["subject"] == table.loc[table["label"] == "hem", "subject"].iloc[0])]
    curve = roc_of_predictions(one, blast_class="all")
    assert curve.band_from is None
    assert np.isnan(curve.low).all()
    assert "only one subject" in curve.reason


def test_edges_of_the_band_rise_as_the_curve_does(predictions: Maker) -> None:
    """Few and unequal subjects, whose bands were jagged."""
    for seed in range(4):
        table = predictions(subjects=9, cells=9, seed=seed)
        table = table[(table["subject"] != "S000") | (table.index % 3 == 0)]
        curve = roc_of_predictions(table, blast_class="all")
        for edge in (curve.low[~np.isnan(curve.low)], curve.high[~np.isnan(curve.high)]):
            assert (np.diff(edge) >= 0).all()
            assert 0 <= edge.min() <= edge.max() <= 1


def test_a_wide_interval_at_one_rate_does_not_widen_the_band_at_others(
    predictions: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interval near a rate of 1 may reach far down: what bounds the curve at a lower rate bounds it there, too."""
    ends: list[np.ndarray] = []
    rising = roc_module._rising
    monkeypatch.setattr(roc_module, "_rising", lambda *each: [ends.extend(each), rising(*each)][1])
    curve = roc_of_predictions(predictions(subjects=9, cells=9), blast_class="all")
    low, high = ends
    assert (curve.low[-len(low) :] >= low).all()
    assert (curve.high[-len(high) :] <= high).all()
    narrowed = rising(np.array([0.5, 0.7, 0.1, 0.8]), np.array([0.8, 1.0, 0.9, 1.0]))
    np.testing.assert_array_equal(narrowed, [[0.5, 0.7, 0.7, 0.8], [0.8, 0.9, 0.9, 1.0]])


def test_curve_of_one_class_against_the_rest_equals_scikit_learn(predictions: Maker) -> None:
    table = predictions(subjects=12, classes=tuple("abcd"))
    curve = roc_of_predictions(table, blast_class="b")
    area = np.trapezoid(curve.true_positive, curve.false_positive)
    assert np.isclose(area, reference.roc_auc_score(table["label"] == "b", table["score_b"]))


def test_curve_is_none_for_one_class(predictions: Maker) -> None:
    table = predictions()
    assert roc_of_predictions(table[table["label"] == "hem"], blast_class="all") is None
    assert roc_of_predictions(table, blast_class=None) is None
    assert roc_of_predictions(table.assign(label=None), blast_class="all") is None
