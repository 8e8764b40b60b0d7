from itertools import product

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from lymphoscope.evaluation.auc_test import compare_areas


def study(generator: np.random.Generator, sizes: np.ndarray, digits: int = 9) -> tuple[np.ndarray, ...]:
    """Two equal models: the class of each cell, both scores, and its subject; cells of a subject share an effect."""
    subjects = np.repeat(np.arange(len(sizes)), sizes)
    positive = subjects % 2 == 0
    effects = generator.normal(0, 0.7, (1, len(sizes))) + generator.normal(0, 0.5, (2, len(sizes)))
    scores = np.where(positive, 1.0, 0) + effects[:, subjects] + generator.normal(0, 1, (2, len(subjects)))
    return positive, np.round(scores, digits), subjects.astype(object)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("digits", [0, 9])
def test_p_equals_exchanging_the_scores_of_subjects_in_every_way(digits: int, *, mixed: bool) -> None:
    """The areas by scikit-learn, after each of the 2^6 exchanges of the two models' ranks."""
    generator = np.random.default_rng(digits)
    positive, scores, subjects = study(generator, generator.integers(1, 9, 6), digits)
    if mixed:
        positive = generator.random(len(positive)) < 0.5  # subjects with cells of both classes
    scores[1] = np.round(np.exp(scores[1]), digits)  # another scale
    result = compare_areas(positive, scores, subjects, least_units=0)
    assert (result.one, result.other) == pytest.approx([roc_auc_score(positive, row) for row in scores])
    ranks = np.array([stats.rankdata(row) for row in scores])
    differences = []
    for exchanged in product((False, True), repeat=6):
        own = np.where(np.array(exchanged)[subjects.astype(int)], ranks[::-1], ranks)
        differences.append(roc_auc_score(positive, own[0]) - roc_auc_score(positive, own[1]))
    size = np.abs(differences)
    expected = (np.mean(size >= size[0] - 1e-9) + np.mean(size > size[0] + 1e-9)) / 2
    assert result.p == pytest.approx(expected)


def test_equal_scores_do_not_differ() -> None:
    positive, scores, subjects = study(np.random.default_rng(0), np.full(10, 3))
    result = compare_areas(positive, np.stack([scores[0], scores[0]]), subjects)
    assert (result.p, result.one) == (1, result.other)


def test_areas_that_few_subjects_carry_are_not_tested() -> None:
    """Five equal subjects of each class are enough; of 21 positive ones of whom three hold 84 %, worth 4.2, are not."""
    positive, scores, subjects = study(np.random.default_rng(0), np.full(10, 3))
    assert compare_areas(positive, scores, subjects).p is not None
    sizes = np.where(np.arange(42) % 2 == 0, 8, 20)
    sizes[[0, 2, 4]] = 252
    positive, scores, subjects = study(np.random.default_rng(0), sizes)
    result = compare_areas(positive, scores, subjects)
    assert (result.p, result.one) == (None, pytest.approx(roc_auc_score(positive, scores[0])))
    assert result.reason == "few subjects carry the comparison: worth 4.2 equal ones of a class, 5 needed"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("subjects", "spread"), [(10, 0.0), (24, 0.0), (24, 1.0), (60, 1.0)], ids=["5+5", "12+12", "unequal", "many"]
)
def test_equal_models_are_rejected_at_the_level_and_better_ones_are_found(subjects: int, spread: float) -> None:
    generator = np.random.default_rng(subjects)
    equal, better = [], []
    for _ in range(400):
        sizes = np.maximum(1, 10 * generator.lognormal(0, spread, subjects)).astype(int)
        positive, scores, names = study(generator, sizes)
        equal.append(compare_areas(positive, scores, names, least_units=0).p)
        scores[0] += 1.5 * positive
        better.append(compare_areas(positive, scores, names, least_units=0).p)
    assert 0.02 <= np.mean(np.array(equal) < 0.05) <= 0.08
    assert np.mean(np.array(better) < 0.05) > 0.6
