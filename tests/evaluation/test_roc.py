from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from lymphoscope.evaluation import roc as roc_module, roc_of_predictions

Maker = Callable[..., pd.DataFrame]


def test_curve_equals_scikit_learn(predictions: Maker) -> None:
    table = predictions().round(2)  # ties
    curve = roc_of_predictions(table, blast_class="all")
    false, true, _ = reference.roc_curve(table["label"] == "all", table["score_all"], drop_intermediate=False)
    np.testing.assert_allclose(curve.false_positive, false)
    np.testing.assert_allclose(curve.true_positive, true)


def test_band_holds_the_curve(predictions: Maker) -> None:
    curve = roc_of_predictions(predictions(subjects=20, cells=20), blast_class="all")
    inside = curve.grid[1:-1]
    true = np.interp(inside, curve.false_positive, curve.true_positive)
    assert (curve.low[1:-1] <= true + 1e-9).all()
    assert (curve.high[1:-1] >= true - 1e-9).all()
    assert (curve.high - curve.low).max() > 0.05


def test_edges_of_the_band_rise_as_the_curve_does(predictions: Maker) -> None:
    """Few and unequal subjects, whose bands were jagged."""
    for seed in range(4):
        table = predictions(subjects=9, cells=9, seed=seed)
        table = table[(table["subject"] != "S000") | (table.index % 3 == 0)]
        curve = roc_of_predictions(table, blast_class="all")
        for edge in (curve.low, curve.high):
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
    assert (curve.low >= low).all()
    assert (curve.high <= high).all()
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
