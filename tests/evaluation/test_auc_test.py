import numpy as np
import pytest
from scipy import stats

from lymphoscope.evaluation.auc_test import auc_covariance

# The ovarian cancer patients of DeLong, DeLong and Clarke-Pearson (1988) of whom all three tests are known, as a
# statistics package's manual lists them: albumin, total protein, K-G score, and whether surgery helped.
PATIENTS = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1  3.8 5.7 5 1
3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0
4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1
4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1
2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""


def test_areas_standard_errors_and_p_equal_the_published_example() -> None:
    """Areas 0.7366, 0.6478, 0.7258; errors 0.0927, 0.1000, 0.1028; chi-square of all three 2.5340, p 0.2817."""
    albumin, protein, score, helped = np.array(PATIENTS.split(), dtype=float).reshape(-1, 4).T
    result = auc_covariance(helped == 1, np.stack([albumin, protein, 10 - score]))
    assert result.areas == pytest.approx([0.7366, 0.6478, 0.7258], abs=5e-5)
    assert np.sqrt(np.diag(result.covariance)) == pytest.approx([0.0927, 0.1000, 0.1028], abs=5e-5)
    contrast = np.array([[1, 0, -1], [0, 1, -1]])
    less = contrast @ result.areas
    chi_square = less @ np.linalg.solve(contrast @ result.covariance @ contrast.T, less)
    assert chi_square == pytest.approx(2.5340, abs=5e-5)
    assert stats.chi2.sf(chi_square, 2) == pytest.approx(0.2817, abs=5e-5)


def components(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The structural components of one score, each pair of cells compared: of the positives, of the negatives."""
    pairs = np.sign(scores[positive][:, None] - scores[~positive][None, :]) / 2 + 0.5
    return pairs.mean(axis=1), pairs.mean(axis=0)


@pytest.mark.parametrize("digits", [1, 9])
@pytest.mark.parametrize("seed", range(4))
def test_midranks_give_the_same_as_comparing_every_pair(seed: int, digits: int) -> None:
    generator = np.random.default_rng(seed)
    positive = generator.random(70) < 0.4
    scores = np.round(generator.normal(positive, 1, (2, 70)), digits)  # one digit: many ties
    result = auc_covariance(positive, scores)
    ups, downs = (np.array(parts) for parts in zip(*(components(positive, row) for row in scores), strict=True))
    expected = np.cov(ups) / positive.sum() + np.cov(downs) / (~positive).sum()
    assert result.areas == pytest.approx(ups.mean(axis=1))
    np.testing.assert_allclose(result.covariance, expected)
    less, spread = ups.mean(axis=1) @ [1, -1], np.sqrt(np.array([1, -1]) @ expected @ [1, -1])
    difference = result.difference()
    assert difference.p == pytest.approx(2 * stats.norm.sf(abs(less) / spread))
    assert (difference.low, difference.high) == pytest.approx(stats.norm.interval(0.95, less, spread))


def test_equal_scores_do_not_differ() -> None:
    positive = np.arange(20) % 2 == 0
    scores = np.random.default_rng(0).random(20)
    result = auc_covariance(positive, np.stack([scores, scores])).difference()
    assert (result.value, result.low, result.p, result.reason) == (0, None, 1, "both rank the cells the same")
    assert result.one == result.other


def test_one_cell_per_subject_gives_delongs_test() -> None:
    generator = np.random.default_rng(0)
    positive = np.arange(80) % 2 == 0
    scores = generator.normal(positive, 1, (2, 80))
    alone, clustered = auc_covariance(positive, scores), auc_covariance(positive, scores, np.arange(80).astype(object))
    np.testing.assert_allclose(clustered.covariance, alone.covariance)
    assert clustered.degrees > 50


def test_clustered_standard_error_is_that_of_a_simulation() -> None:
    """8 + 8 subjects of 10 cells with a shared effect; DeLong's error is too small by more than a third."""
    generator = np.random.default_rng(1)
    subjects = np.repeat(np.arange(16), 10)
    positive = subjects % 2 == 0
    areas, clustered, independent = [], [], []
    for _ in range(400):
        effect = generator.normal(0, 1, (1, 16))[:, subjects]
        scores = np.where(positive, 1.5, 0) + effect + generator.normal(0, 1, (1, 160))
        areas.append(auc_covariance(positive, scores).areas[0])
        clustered.append(auc_covariance(positive, scores, subjects.astype(object)).covariance[0, 0])
        independent.append(auc_covariance(positive, scores).covariance[0, 0])
    assert np.sqrt(np.mean(clustered)) == pytest.approx(np.std(areas), rel=0.1)
    assert np.sqrt(np.mean(independent)) < np.std(areas) / 1.5
