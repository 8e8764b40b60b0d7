import numpy as np
import pytest
from sklearn.covariance import EmpiricalCovariance

from lymphoscope.errors import LymphoscopeError
from lymphoscope.referral.ood import SHRINKAGE, feature_distance, feature_space, kept_limit


def test_the_distance_is_mahalanobis_where_nothing_is_left_out() -> None:
    generator = np.random.default_rng(0)
    known = generator.normal(size=(400, 6)) @ generator.normal(size=(6, 6))
    new = generator.normal(size=(50, 6)) * 4
    found = feature_distance(new, *feature_space(known))
    reference = EmpiricalCovariance().fit(known)
    covariance = reference.covariance_ * 400 / 399
    raised = covariance + SHRINKAGE * np.trace(covariance) / 6 * np.eye(6)
    off = new - known.mean(axis=0)
    expected = np.sqrt(np.einsum("bi,ij,bj->b", off, np.linalg.inv(raised), off) / 6)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_training_cells_lie_at_about_one_and_strangers_further() -> None:
    generator = np.random.default_rng(0)
    known = generator.normal(size=(300, 80)) * np.linspace(0.1, 3, 80)
    centre, axes = feature_space(known)
    assert axes.shape == (80, 32)
    assert np.median(feature_distance(known, centre, axes)) == pytest.approx(1, abs=0.1)
    assert feature_distance(known + 20, centre, axes).min() > 3


def test_two_equal_cells_span_a_space_without_a_division_by_zero() -> None:
    centre, axes = feature_space(np.ones((2, 5)))
    assert np.isfinite(feature_distance(np.zeros((1, 5)), centre, axes)).all()
    with pytest.raises(LymphoscopeError, match="at least two"):
        feature_space(np.ones((1, 5)))


def test_a_limit_is_kept_by_new_values_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    kept = [generator.normal() <= kept_limit(generator.normal(size=99), 0.9) for _ in range(2000)]
    assert np.mean(kept) == pytest.approx(0.9, abs=0.02)
    assert kept_limit([3.0, 1.0, 2.0], 0.99) == 3.0
    with pytest.raises(LymphoscopeError, match="no cells"):
        kept_limit([], 0.99)
