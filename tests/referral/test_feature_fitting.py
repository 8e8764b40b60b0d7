"""The limits in feature space hold for cells that the axes were not fitted to."""

import numpy as np
import pytest
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.referral import (
    FeatureCells,
    FeatureReference,
    Upper,
    class_distance,
    conformal_limit,
    feature_distance,
    feature_space,
    fit_by_cross_fitting,
    fit_to_held_out,
)
from lymphoscope.referral.feature_fitting import FOLDS

SHARE = 0.99
CENTRES = np.zeros((2, 40), np.float32)
CENTRES[1, 0] = 6


def cells_of(count: int, seed: int, subjects: int = 0) -> FeatureCells:
    """Cells of two classes; subjects differ from each other by more than their cells do."""
    generator = np.random.default_rng(seed)
    number = generator.permutation(count)
    kind = number % 2
    features = generator.normal(size=(count, 40)) + CENTRES[kind]
    names = np.full(count, None, dtype=object)
    if subjects:
        subject = (number // 2) % (subjects // 2) * 2 + kind  # each has cells of one class
        features += 3 * generator.normal(size=(subjects, 40))[subject]
        names = np.array([f"S{one}" for one in subject], dtype=object)
    return FeatureCells(features.astype(np.float32), np.array(["a", "b"], dtype=object)[kind], names)


def beyond(reference: FeatureReference, features: NDArray[np.float32]) -> list[float]:
    """The shares of cells beyond the two limits."""
    assert reference.arrays is not None
    assert reference.feature_distance is not None
    assert reference.class_distance is not None
    far = feature_distance(features, reference.arrays) > reference.feature_distance
    strange = class_distance(features, reference.arrays) > reference.class_distance.high
    return [float(far.mean()), float(strange.mean())]


def test_cross_fitted_limits_hold_for_new_cells_and_those_of_the_same_cells_do_not() -> None:
    known, new = cells_of(150, 0), cells_of(4000, 1)
    assert max(beyond(fit_by_cross_fitting(known, SHARE, ""), new.features)) < 0.02
    nothing = known[np.zeros(150, dtype=bool)]
    assert beyond(fit_to_held_out(known, nothing, SHARE, ""), new.features)[0] > 0.2
    assert beyond(fit_by_cross_fitting(known, SHARE, ""), new.features + 20) == [1, 1]


def test_limits_are_those_of_each_cell_along_the_axes_of_other_subjects() -> None:
    known = cells_of(120, 0, subjects=2 * FOLDS)  # a fold has one subject of each class
    reference = fit_by_cross_fitting(known, SHARE, "by hand")
    of_class = {name: list(dict.fromkeys(known.subjects[known.labels == name])) for name in "ab"}
    measured: list[float] = []
    for pair in zip(of_class["a"], of_class["b"], strict=True):
        held_out = np.isin(known.subjects.astype(str), pair)
        arrays = feature_space(known.features[~held_out], known.labels[~held_out])
        measured += feature_distance(known.features[held_out], arrays).tolist()
    assert reference.feature_distance == pytest.approx(conformal_limit(measured, SHARE))
    assert (reference.feature_distance_cells, reference.feature_distance_subjects) == (120, 2 * FOLDS)
    assert reference.arrays is not None
    np.testing.assert_array_equal(reference.arrays.axes, feature_space(known.features, known.labels).axes)


def test_subjects_that_differ_widen_the_limits() -> None:
    known = cells_of(200, 0, subjects=20)
    unknown = FeatureCells(known.features, known.labels, np.full(200, None, dtype=object))
    by_subject, by_cell = fit_by_cross_fitting(known, SHARE, ""), fit_by_cross_fitting(unknown, SHARE, "")
    assert by_subject.feature_distance > 1.5 * by_cell.feature_distance  # type: ignore[operator]


def test_a_class_of_one_subject_is_cross_fitted_over_cells() -> None:
    known = cells_of(200, 0, subjects=20)
    one = np.where(known.labels == "b", "S1", known.subjects).astype(object)
    nobody = np.full(200, None, dtype=object)
    limits = [
        fit_by_cross_fitting(FeatureCells(known.features, known.labels, subjects), SHARE, "").class_distance
        for subjects in (one, nobody)
    ]
    assert limits[0] == limits[1]


def test_one_cell_of_a_class_is_too_few() -> None:
    known = cells_of(100, 0)
    single = known[(known.labels == "a") | (np.arange(100) == np.argmax(known.labels == "b"))]
    with pytest.raises(LymphoscopeError, match="one cell of the class b is not enough"):
        fit_by_cross_fitting(single, SHARE, "")


def test_held_out_cells_set_the_limits_unless_they_are_closer() -> None:
    train, held_out = cells_of(150, 0), cells_of(60, 1)
    reference = fit_to_held_out(train, held_out, SHARE, "")
    arrays = feature_space(train.features, train.labels)
    from_classes = class_distance(held_out.features, arrays)
    assert reference.feature_distance == conformal_limit(feature_distance(held_out.features, arrays), SHARE)
    assert reference.class_distance == Upper(
        middle=float(np.median(from_classes)), high=conformal_limit(from_classes, SHARE)
    )
    assert reference.feature_distance_cells == 60
    centre = FeatureCells(np.tile(train.features.mean(axis=0), (5, 1)), held_out.labels[:5], held_out.subjects[:5])
    closer = fit_to_held_out(train, centre, SHARE, "")
    assert closer.feature_distance == conformal_limit(feature_distance(train.features, arrays), SHARE)
