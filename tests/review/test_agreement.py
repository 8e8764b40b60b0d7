"""Cohen's kappa against scikit-learn and statsmodels, and agreement by class."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats import inter_rater

from lymphoscope.review.agreement import measure_agreement


def test_kappa_and_its_interval_are_those_of_two_other_libraries() -> None:
    generator = np.random.default_rng(3)
    first = generator.choice(["a", "b", "c"], 200, p=[0.6, 0.3, 0.1])
    second = np.where(generator.random(200) < 0.8, first, generator.choice(["a", "b", "c"], 200))
    found = measure_agreement([(str(one), str(other)) for one, other in zip(first, second, strict=True)])
    table = [[int(((first == a) & (second == b)).sum()) for b in "abc"] for a in "abc"]
    expected = inter_rater.cohens_kappa(table)
    assert found.kappa == pytest.approx(cohen_kappa_score(first, second))
    assert found.kappa == pytest.approx(expected.kappa)
    assert (found.kappa_low, found.kappa_high) == pytest.approx((expected.kappa_low, expected.kappa_upp), abs=1e-6)
    assert found.agreement == pytest.approx((first == second).mean())


def test_agreement_of_a_class_is_the_share_of_its_labels_that_both_gave() -> None:
    found = measure_agreement([("a", "a"), ("a", "b"), ("b", "b"), ("b", "b")])
    assert [(one.name, one.both, one.first, one.second) for one in found.classes] == [("a", 1, 2, 1), ("b", 2, 2, 3)]
    assert found.classes[0].agreement == pytest.approx(2 / 3)


def test_kappa_is_not_defined_for_one_label_or_no_cells() -> None:
    assert measure_agreement([("a", "a")] * 5).kappa is None
    assert measure_agreement([("a", "a")] * 5).agreement == 1
    assert measure_agreement([]).kappa is None
