import numpy as np
import pytest
from scipy import stats

from lymphoscope.referral.band import HIGHEST, correlation_limit, likeness, normal_scores, tail_correlation


def one_factor(seed: int, subjects: int, cells: int, correlation: float) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    of_cell = np.repeat(np.arange(subjects), cells)
    part, own = generator.normal(size=subjects), generator.normal(size=subjects * cells)
    return np.sqrt(correlation) * part[of_cell] + np.sqrt(1 - correlation) * own, of_cell


def test_normal_scores_are_the_normal_quantiles_of_ranks() -> None:
    scores = np.array([0.1, 0.9, 0.1, 0.5, 0.99])
    expected = stats.norm.ppf((stats.rankdata(scores) - 0.5) / 5)
    np.testing.assert_allclose(normal_scores(scores), expected)


def test_the_limit_is_that_of_a_published_example() -> None:
    """Shrout & Fleiss (1979), Psychol Bull 86, 420-428: six subjects, four ratings, ICC(1, 1) 0.17, at most 0.72."""
    ratings = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
    of_cell = np.repeat(np.arange(6), 4)
    assert correlation_limit(ratings.ravel(), of_cell, 0.975) == pytest.approx(0.72, abs=0.005)


@pytest.mark.parametrize("correlation", [0.05, 0.3, 0.7])
def test_the_limit_is_exceeded_as_seldom_as_it_says(correlation: float) -> None:
    limits = [correlation_limit(*one_factor(seed, 12, 20, correlation), 0.9) for seed in range(400)]
    assert np.mean(np.array(limits) >= correlation) == pytest.approx(0.9, abs=0.04)


@pytest.mark.parametrize(
    ("values", "of_cell", "expected"),
    [([1, 2, 3], [0, 1, 2], 0.0), ([1, 1, 2, 2], [0, 0, 1, 1], 1.0), ([2, 2, 2, 2], [0, 0, 1, 1], 0.0)],
)
def test_the_limit_of_cells_that_show_nothing_or_all(values: list, of_cell: list, expected: float) -> None:
    assert correlation_limit(np.array(values, float), np.array(of_cell), 0.95) == pytest.approx(expected)


@pytest.mark.parametrize("correlation", [0.1, 0.4, 0.8])
@pytest.mark.parametrize("share", [0.05, 0.2])
def test_the_tail_shows_the_correlation(correlation: float, share: float) -> None:
    scores, of_cell = one_factor(0, 4000, 12, correlation)
    assert tail_correlation(scores, of_cell, share) == pytest.approx(correlation, abs=0.05)


def test_pairs_are_in_the_tail_as_often_as_two_normals() -> None:
    """The correlation found, put into scipy's bivariate normal law, gives back the share of pairs in the tail."""
    scores, of_cell = one_factor(3, 60, 20, 0.4)
    found, low = tail_correlation(scores, of_cell, 0.1), scores < np.quantile(scores, 0.1)
    lows = np.bincount(of_cell, low)
    line = stats.norm.ppf(low.mean())
    both = stats.multivariate_normal([0, 0], [[1, found], [found, 1]]).cdf([line, line])
    assert (lows * (lows - 1)).sum() / (60 * 20 * 19) == pytest.approx(both, rel=0.02)


def test_a_tail_of_one_subject_makes_cells_alike_that_are_not_elsewhere() -> None:
    generator = np.random.default_rng(0)
    scores, of_cell = generator.normal(size=800), np.repeat(np.arange(40), 20)
    alike = likeness(scores, of_cell, 0.95)
    scores[:20] -= 6
    assert alike < 0.1
    assert correlation_limit(normal_scores(scores), of_cell, 0.95) < 0.25
    assert likeness(scores, of_cell, 0.95) > 0.6


def test_the_scale_of_the_scores_means_nothing() -> None:
    scores, of_cell = one_factor(0, 20, 10, 0.3)
    assert likeness(scores, of_cell, 0.95) == pytest.approx(likeness(np.exp(3 * scores), of_cell, 0.95))


def test_cells_of_one_each_and_equal_scores_are_not_alike() -> None:
    assert likeness(np.arange(30.0), np.arange(30), 0.95) == 0
    assert likeness(np.ones(30), np.repeat(np.arange(3), 10), 0.95) == 0
    assert likeness(np.repeat([0.1, 0.9], 10), np.repeat([0, 1], 10), 0.95) == HIGHEST
