import numpy as np
import pytest
from pydantic import ValidationError
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import EmpiricalCovariance

from lymphoscope.data.quality import ImageStatistics
from lymphoscope.errors import LymphoscopeError
from lymphoscope.referral import (
    Colour,
    FeatureArrays,
    OodReference,
    colour_distance,
    conformal_limit,
    feature_distance,
    feature_space,
    ood_columns,
    ood_scores,
)
from lymphoscope.referral.ood import SHRINKAGE
from lymphoscope.vocabulary import OOD_SIGNALS

TYPICAL = ImageStatistics(sharpness=2.0, brightness=60.0, touching=0.0, red_green=0.8, blue_green=1.0)


@pytest.mark.parametrize(
    ("change", "signal", "value"),
    [
        ({"sharpness": 1.0}, "blur", 1.0),
        ({"sharpness": 4.0}, "blur", -2.0),
        ({"touching": 0.1}, "cut_off", 2.0),
        ({"brightness": 50.0}, "exposure", 1.0),
        ({"brightness": 75.0}, "exposure", 1.0),
        ({"brightness": 90.0}, "exposure", 2.0),
        ({"red_green": 1.1}, "colour", 1.0),
    ],
)
def test_one_is_the_limit(ood_reference: OodReference, change: dict[str, float], signal: str, value: float) -> None:
    found = ood_scores(ood_reference, [TYPICAL, TYPICAL._replace(**change)], None)
    assert set(found) == set(OOD_SIGNALS)
    assert found[signal].tolist() == pytest.approx([0.0, value])


def test_feature_distance_needs_features_and_arrays(ood_reference: OodReference) -> None:
    arrays = FeatureArrays(np.zeros(3, np.float32), np.eye(3, 2, dtype=np.float32))
    whole = ood_reference.model_copy(update={"arrays": arrays})
    features = np.array([[3.0, 0.0, 99.0]], dtype=np.float32)  # the third direction is none of the axes
    assert ood_scores(whole, [TYPICAL], features)["feature_distance"] == pytest.approx(3 / np.sqrt(2) / 1.5, abs=1e-4)
    assert np.isnan(ood_scores(whole, [TYPICAL], None)["feature_distance"]).all()
    assert np.isnan(ood_scores(ood_reference, [TYPICAL], features)["feature_distance"]).all()


def test_features_that_cannot_be_compared_are_nan(ood_reference: OodReference) -> None:
    arrays = FeatureArrays(np.zeros(3, np.float32), np.eye(3, 2, dtype=np.float32))
    whole = ood_reference.model_copy(update={"arrays": arrays})
    for features in (np.full((1, 3), np.nan, np.float32), np.zeros((1, 4), np.float32), np.zeros((1, 0), np.float32)):
        assert np.isnan(ood_scores(whole, [TYPICAL], features)["feature_distance"]).all()
    without = ood_reference.model_copy(update={"feature_distance": None})
    assert "feature_distance" not in ood_scores(without, [TYPICAL], None)


@pytest.mark.parametrize(
    "change",
    [
        {"sharpness": {"low": 3.0, "middle": 2.0, "high": 1.0}},
        {"brightness": {"low": 50.0, "middle": 50.0, "high": 75.0}},
        {"brightness": {"low": float("nan"), "middle": 60.0, "high": 75.0}},
        {"touching": 0.0},
        {"touching": float("inf")},
        {"feature_distance": float("nan")},
        {"feature_distance": 0.0},
        {"share": 1.0},
        {"colour": {"centre": [0.8, float("nan")], "precision": [[1, 0], [0, 1]], "limit": 3}},
        {"colour": {"centre": [0.8, 1.0], "precision": [[float("inf"), 0], [0, 1]], "limit": 3}},
        {"colour": {"centre": [0.8, 1.0], "precision": [[1, 0], [0, 1]], "limit": float("nan")}},
    ],
)
def test_an_impossible_reference_is_refused(ood_reference: OodReference, change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        OodReference.model_validate(ood_reference.model_dump() | change)


@pytest.mark.parametrize(
    ("centre", "axes"),
    [([0.0, 0.0], [[1.0]]), ([[0.0]], [[1.0]]), ([0.0], [1.0]), ([np.nan], [[1.0]]), ([0.0], [[np.inf]])],
)
def test_feature_arrays_must_fit_and_be_finite(centre: list[float], axes: list[list[float]]) -> None:
    with pytest.raises(LymphoscopeError, match="must fit each other and be finite"):
        FeatureArrays(np.array(centre, np.float32), np.array(axes, np.float32))


def test_no_ood_scores_without_a_reference(ood_reference: OodReference) -> None:
    assert ood_scores(None, [TYPICAL], None) == {}
    assert ood_columns(None) == ()
    assert ood_columns(ood_reference) == tuple(f"ood_{signal}" for signal in OOD_SIGNALS)


def test_colour_distance_matches_scipy() -> None:
    precision = ((50.0, -20.0), (-20.0, 80.0))
    colour = Colour(centre=(0.8, 1.0), precision=precision, limit=1.0)
    ratios = np.random.default_rng(0).normal(1, 0.3, (20, 2))
    expected = [mahalanobis(each, colour.centre, np.array(precision)) for each in ratios]
    assert colour_distance(colour, ratios) == pytest.approx(expected)


def test_feature_distance_is_mahalanobis_when_all_axes_are_used() -> None:
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


def test_training_cells_are_at_about_one_and_others_further() -> None:
    generator = np.random.default_rng(0)
    known = generator.normal(size=(300, 80)) * np.linspace(0.1, 3, 80)
    centre, axes = feature_space(known)
    assert axes.shape == (80, 32)
    assert np.median(feature_distance(known, centre, axes)) == pytest.approx(1, abs=0.1)
    assert feature_distance(known + 20, centre, axes).min() > 3


def test_equal_cells_do_not_divide_by_zero() -> None:
    centre, axes = feature_space(np.ones((2, 5)))
    assert np.isfinite(feature_distance(np.zeros((1, 5)), centre, axes)).all()
    with pytest.raises(LymphoscopeError, match="at least two"):
        feature_space(np.ones((1, 5)))


def test_conformal_limit_has_its_stated_coverage() -> None:
    generator = np.random.default_rng(0)
    kept = [generator.normal() <= conformal_limit(generator.normal(size=99), 0.9) for _ in range(2000)]
    assert np.mean(kept) == pytest.approx(0.9, abs=0.02)
    assert conformal_limit([3.0, 1.0, 2.0], 0.99) == 3.0
    with pytest.raises(LymphoscopeError, match="no cells"):
        conformal_limit([], 0.99)
