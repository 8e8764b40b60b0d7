from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import EmpiricalCovariance

from lymphoscope.data.quality import ImageStatistics
from lymphoscope.errors import LymphoscopeError
from lymphoscope.referral import (
    Colour,
    FeatureArrays,
    FeatureReference,
    OodReference,
    class_distance,
    colour_distance,
    conformal_limit,
    feature_distance,
    feature_space,
    ood_columns,
    ood_scores,
)
from lymphoscope.referral.ood import SHRINKAGE
from lymphoscope.vocabulary import OOD_SIGNALS

# Along the first two of three directions, two classes, at the middle and at (4, 0).
ARRAYS = FeatureArrays(
    np.zeros(3, np.float32),
    np.eye(3, 2, dtype=np.float32),
    np.array([[0, 0], [4, 0]], np.float32),
    np.diag([2, 1]).astype(np.float32),
)
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
    whole = ood_reference.model_copy(update={"arrays": ARRAYS})
    features = np.array([[3.0, 0.0, 99.0]], dtype=np.float32)  # the third direction is none of the axes
    assert ood_scores(whole, [TYPICAL], features)["feature_distance"] == pytest.approx(3 / np.sqrt(2) / 1.5, abs=1e-4)
    # From the second class (-1, 0), which its axes double; from all training cells (3, 0).
    assert class_distance(features, ARRAYS) == pytest.approx(4 / 2 - 9 / 2)
    assert ood_scores(whole, [TYPICAL], features)["class_distance"] == pytest.approx((-2.5 + 0.5) / (1.5 + 0.5))
    for signal in ("feature_distance", "class_distance"):
        assert np.isnan(ood_scores(whole, [TYPICAL], None)[signal]).all()
        assert np.isnan(ood_scores(ood_reference, [TYPICAL], features)[signal]).all()


def test_a_network_with_its_own_reference_is_compared_with_that(ood_reference: OodReference) -> None:
    whole = ood_reference.model_copy(update={"arrays": ARRAYS})
    moved = replace(ARRAYS, centre=np.array([10, 0, 0], np.float32))
    own = FeatureReference(
        feature_distance=3.0,
        class_distance=None,
        feature_distance_cells=1,
        feature_distance_subjects=0,
        how="",
        arrays=moved,
    )
    features, blurred = np.array([[13.0, 0.0, 99.0]], dtype=np.float32), [TYPICAL._replace(sharpness=1.0)]
    found = ood_scores(whole.of_network(own), blurred, features)
    assert found["feature_distance"] == pytest.approx(3 / np.sqrt(2) / 3, abs=1e-4)
    assert "class_distance" not in found
    assert found["blur"] == 1.0  # limits of the image are those of the model, whatever the network
    assert ood_scores(whole, blurred, features)["feature_distance"] > 5  # the reference itself is unchanged


def test_features_that_cannot_be_compared_are_nan(ood_reference: OodReference) -> None:
    whole = ood_reference.model_copy(update={"arrays": ARRAYS})
    for features in (np.full((1, 3), np.nan, np.float32), np.zeros((1, 4), np.float32), np.zeros((1, 0), np.float32)):
        scores = ood_scores(whole, [TYPICAL], features)
        assert np.isnan(scores["feature_distance"]).all()
        assert np.isnan(scores["class_distance"]).all()
    without = ood_reference.model_copy(update={"feature_distance": None, "class_distance": None})
    assert not {"feature_distance", "class_distance"} & set(ood_scores(without, [TYPICAL], None))


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
        {"class_distance": {"middle": 1.0, "high": 1.0}},
        {"class_distance": {"middle": float("nan"), "high": 1.0}},
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
    ("name", "values"),
    [
        ("centre", [0.0, 0.0]),
        ("centre", [[0.0, 0.0, 0.0]]),
        ("centre", [0.0, np.nan, 0.0]),
        ("axes", [0.0, 1.0, 1.0]),
        ("axes", [[np.inf, 0.0], [0.0, 1.0], [0.0, 0.0]]),
        ("axes", np.zeros((3, 0))),
        ("class_centres", [[0.0], [1.0]]),
        ("class_centres", np.zeros((0, 2))),
        ("class_centres", [[np.nan, 0.0]]),
        ("class_axes", [[1.0, 0.0]]),
    ],
)
def test_feature_arrays_must_fit_and_be_finite(name: str, values: ArrayLike) -> None:
    with pytest.raises(LymphoscopeError, match="must fit each other and be finite"):
        replace(ARRAYS, **{name: np.array(values, np.float32)})


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


def shrunk_inverse(offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of a covariance matrix (C, C) whose variances are raised as `feature_space` raises them."""
    size = offsets.shape[1]
    covariance = EmpiricalCovariance(assume_centered=True).fit(offsets).covariance_ * len(offsets) / (len(offsets) - 1)
    return np.asarray(np.linalg.inv(covariance + SHRINKAGE * np.trace(covariance) / size * np.eye(size)))


def test_distances_are_mahalanobis_when_all_axes_are_used() -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "c"], [200, 150, 50])
    centres = dict(zip("abc", generator.normal(size=(3, 6)) * 2, strict=True))
    mixing = generator.normal(size=(6, 6))
    known = np.stack([generator.normal(size=6) @ mixing + centres[label] for label in labels])
    new = generator.normal(size=(50, 6)) * 4
    arrays = feature_space(known, labels)

    def squared(centre: NDArray[np.float64], inverse: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([mahalanobis(cell, centre, inverse) ** 2 / 6 for cell in new])

    from_all = squared(known.mean(axis=0), shrunk_inverse(known - known.mean(axis=0)))
    np.testing.assert_allclose(feature_distance(new, arrays), np.sqrt(from_all), rtol=1e-4)

    means = {label: known[labels == label].mean(axis=0) for label in "abc"}
    within = known - np.stack([means[label] for label in labels])
    # The axes of the classes are computed after those of all cells, so that these offsets are scaled first.
    scaled_inverse = arrays.axes.astype(np.float64) @ shrunk_inverse(within @ arrays.axes) @ arrays.axes.T
    from_closest = np.min([squared(mean, scaled_inverse) for mean in means.values()], axis=0)
    np.testing.assert_allclose(class_distance(new, arrays), from_closest - from_all, rtol=1e-3, atol=1e-3)


def test_a_kind_of_cell_among_the_known_ones_is_unlike_each_class_only() -> None:
    generator = np.random.default_rng(0)
    centres = np.zeros((4, 20))
    centres[:, :2] = [[9, 9], [9, -9], [-9, 9], [-9, -9]]
    labels = np.repeat(np.arange(4), 100)
    known, held_out = (generator.normal(size=(400, 20)) + centres[labels] for _ in range(2))
    unknown = generator.normal(size=(100, 20))  # in the middle of the four kinds
    arrays = feature_space(known, labels)
    usual = conformal_limit(feature_distance(held_out, arrays), 0.99)
    assert (feature_distance(unknown, arrays) > usual).mean() < 0.05
    usual = conformal_limit(class_distance(held_out, arrays), 0.99)
    assert (class_distance(unknown, arrays) > usual).mean() > 0.95


def test_training_cells_are_at_about_one_and_others_further() -> None:
    generator = np.random.default_rng(0)
    known = generator.normal(size=(300, 80)) * np.linspace(0.1, 3, 80)
    arrays = feature_space(known, np.zeros(300))
    assert arrays.axes.shape == (80, 64)
    assert np.median(feature_distance(known, arrays)) == pytest.approx(1, abs=0.1)
    assert feature_distance(known + 20, arrays).min() > 3
    # One class is all training cells, apart from what the variances are raised by a second time.
    assert np.abs(class_distance(known, arrays)).max() < 0.1


def test_equal_cells_do_not_divide_by_zero() -> None:
    arrays = feature_space(np.ones((2, 5)), ["a", "b"])
    assert np.isfinite(feature_distance(np.zeros((1, 5)), arrays)).all()
    assert np.isfinite(class_distance(np.zeros((1, 5)), arrays)).all()
    with pytest.raises(LymphoscopeError, match="at least two"):
        feature_space(np.ones((1, 5)), ["a"])


def test_conformal_limit_has_its_stated_coverage() -> None:
    generator = np.random.default_rng(0)
    kept = [generator.normal() <= conformal_limit(generator.normal(size=99), 0.9) for _ in range(2000)]
    assert np.mean(kept) == pytest.approx(0.9, abs=0.02)
    assert conformal_limit([3.0, 1.0, 2.0], 0.99) == 3.0
    with pytest.raises(LymphoscopeError, match="no cells"):
        conformal_limit([], 0.99)
