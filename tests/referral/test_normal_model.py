from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats

from lymphoscope.referral import Promise
from lymphoscope.referral.normal_model import (
    MAX_CORRELATION,
    cells_allowed,
    correlation_limit,
    fit_normal_model,
    normal_scores,
    score_correlation,
    tail_correlation,
)


@dataclass(frozen=True)
class Cohort:
    """Calibrated scores of subjects whose evidence differs, from one to another, by a normal part of sd `differ`."""

    scores: np.ndarray
    is_blast: np.ndarray
    subjects: np.ndarray

    @property
    def of_blasts(self) -> np.ndarray:
        return self.scores[self.is_blast]

    @property
    def of_normals(self) -> np.ndarray:
        return self.scores[~self.is_blast]

    def band(self, miss_rate: float = 0.01, false_alarm_rate: float = 0.05) -> "Limits":
        blasts = fit_normal_model(self.of_blasts, codes(self.subjects[self.is_blast]), miss_rate, 0.95)
        normals = fit_normal_model(-self.of_normals, codes(self.subjects[~self.is_blast]), false_alarm_rate, 0.95)
        return Limits(blasts.limit, -normals.limit, blasts.promise, normals.promise)


class Limits(NamedTuple):
    """Scores below `low` are signed off as normal, above `high` as blasts."""

    low: float
    high: float
    miss: Promise
    false_alarm: Promise


def codes(subjects: np.ndarray) -> np.ndarray:
    return np.unique(subjects, return_inverse=True)[1]


def cohort(
    generator: np.random.Generator, blasts: int = 40, normals: int = 25, differ: float = 1.0, apart: float = 4.0
) -> Cohort:
    sizes = generator.integers(50, 201, blasts + normals)
    of_cell = np.repeat(np.arange(blasts + normals), sizes)
    is_blast = of_cell < blasts
    part = generator.normal(0, differ, blasts + normals)[of_cell]
    evidence = np.where(is_blast, apart, -apart) + part + generator.normal(0, 1.5, len(of_cell))
    return Cohort(1 / (1 + np.exp(-evidence)), is_blast, of_cell.astype(str).astype(object))


def naive_low(cells: Cohort, rate: float = 0.01) -> float:
    """The threshold if all cells were independent: the order statistic of a binomial bound."""
    scores = np.sort(cells.of_blasts)
    return float(scores[int(stats.binom.ppf(0.05, len(scores), rate)) - 1])


@pytest.mark.slow
def test_stated_rates_hold_on_other_subjects_in_95_of_100_seeds() -> None:
    """The proof: 40 blast and 25 normal subjects of 50 to 200 cells, and as many others that are held out.

    Estimate: the miss rate of 1 % is kept in 97 of 100 seeds (495 of 500), 0.25 % of blasts are missed on average, and
    94 % of normals are signed off (median). A bound that takes the cells for independent keeps it in 63.
    """
    missed, signed, alarms, naive = [], [], [], []
    for seed in range(100):
        generator = np.random.default_rng(seed)
        inner, others = cohort(generator), cohort(generator)
        band = inner.band(miss_rate=0.01, false_alarm_rate=0.05)
        missed.append((others.of_blasts < band.low).mean())
        signed.append((others.of_normals < band.low).mean())
        alarms.append((others.of_normals > band.high).mean())
        naive.append((others.of_blasts < naive_low(inner)).mean())
    assert (np.array(missed) <= 0.01).sum() >= 95
    assert (np.array(alarms) <= 0.05).sum() >= 95
    assert (np.array(naive) <= 0.01).sum() <= 80
    assert np.median(signed) >= 0.9
    assert min(signed) >= 0.7


def test_with_few_subjects_a_twentieth_can_be_promised_and_a_thousandth_cannot() -> None:
    kept, fitted = 0, 0
    for seed in range(20):
        generator = np.random.default_rng(seed)
        inner, others = cohort(generator, 12, 12), cohort(generator, 12, 12)
        band = inner.band(miss_rate=0.05)
        fitted += band.low > 0
        kept += (others.of_blasts < band.low).mean() <= 0.05
    assert fitted >= 15
    assert kept >= 19
    assert inner.band(miss_rate=0.001).low == -np.inf


@pytest.mark.parametrize(("rate", "needed"), [(0.01, 400), (0.05, 80)])
def test_independent_cells_needed_for_a_rate(rate: float, needed: int) -> None:
    """Five cells of a second group must all lie below the lowest of the first: 1 / 32."""
    assert cells_allowed(np.ones(needed, int), 0.0, rate, 0.95) == 0
    assert cells_allowed(np.ones(needed - 1, int), 0.0, rate, 0.95) is None


@pytest.mark.parametrize(("cells", "rate"), [(2000, 0.01), (900, 0.05), (5000, 0.01)])
def test_independent_cells_follow_the_hypergeometric_distribution(cells: int, rate: float) -> None:
    """Of the lowest c + k + 1 cells of both groups together, too few are of the first group: an exact reference."""
    most = int(rate * cells)
    exact = [stats.hypergeom.cdf(c, 2 * cells, cells, c + most + 1) for c in range(most + 1)]
    expected = sum(chance <= 0.05 for chance in exact) - 1
    assert abs(cells_allowed(np.full(cells // 10, 10), 0.0, rate, 0.95) - expected) <= 1


def test_correlated_cells_allow_fewer_errors() -> None:
    sizes = np.full(60, 100)
    allowed = [cells_allowed(sizes, alike, 0.01, 0.95) for alike in (0.0, 0.2, 0.4, 0.6)]
    assert allowed == sorted(allowed, reverse=True)
    assert len(set(allowed)) == 4
    assert cells_allowed(sizes, 0.98, 0.01, 0.95) is None
    # As many cells of more subjects say more.
    assert cells_allowed(np.full(240, 25), 0.4, 0.01, 0.95) > allowed[2]


def test_nothing_is_signed_off_when_the_rate_cannot_be_promised() -> None:
    few = cohort(np.random.default_rng(0), 5, 5)
    band = few.band()
    assert band.low == -np.inf
    assert (band.miss.rate, band.miss.subjects, band.miss.cells) == (None, 5, len(few.of_blasts))
    assert band.miss.needed is not None
    times = band.miss.needed // 5
    sizes = np.bincount(codes(few.subjects[few.is_blast]))
    alike = score_correlation(few.of_blasts, np.repeat(np.arange(5), sizes), 0.95)
    assert cells_allowed(np.tile(sizes, times), alike, 0.01, 0.95) is not None
    assert cells_allowed(np.tile(sizes, times // 2), alike, 0.01, 0.95) is None


def test_no_promise_from_one_subject_or_none() -> None:
    one = cohort(np.random.default_rng(0), 1, 30).band()
    assert (one.low, one.miss.rate, one.miss.needed, one.miss.subjects) == (-np.inf, None, None, 1)
    assert one.high < 1
    none = fit_normal_model(np.zeros(0), np.zeros(0, np.int64), 0.01, 0.95)
    assert (none.limit, none.promise.rate, none.promise.subjects) == (-np.inf, None, 0)


def test_a_bad_subject_lowers_the_threshold() -> None:
    cells = cohort(np.random.default_rng(0))
    bad = cells.scores.copy()
    bad[cells.subjects == "7"] **= 4
    assert replace(cells, scores=bad).band().low < cells.band().low


def test_tied_scores_keep_the_rate() -> None:
    cells = cohort(np.random.default_rng(1))
    coarse = replace(cells, scores=np.round(cells.scores, 1)).band()
    assert (np.round(cells.of_blasts, 1) < coarse.low).mean() <= 0.01
    saturated = replace(cells, scores=np.where(cells.scores < 0.5, 0.0, cells.scores)).band()
    assert (np.where(cells.of_blasts < 0.5, 0.0, cells.of_blasts) < saturated.low).mean() <= 0.01


def test_result_does_not_depend_on_the_order_of_cells() -> None:
    cells = cohort(np.random.default_rng(0), 15, 15)
    order = np.random.default_rng(1).permutation(len(cells.scores))
    again = Cohort(cells.scores[order], cells.is_blast[order], cells.subjects[order])
    assert again.band() == cells.band()


def one_factor(seed: int, subjects: int, cells: int, correlation: float) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    of_cell = np.repeat(np.arange(subjects), cells)
    part, own = generator.normal(size=subjects), generator.normal(size=subjects * cells)
    return np.sqrt(correlation) * part[of_cell] + np.sqrt(1 - correlation) * own, of_cell


def test_normal_scores_are_the_normal_quantiles_of_ranks() -> None:
    scores = np.array([0.1, 0.9, 0.1, 0.5, 0.99])
    expected = stats.norm.ppf((stats.rankdata(scores) - 0.5) / 5)
    np.testing.assert_allclose(normal_scores(scores), expected)


def test_correlation_limit_matches_a_published_example() -> None:
    """Shrout & Fleiss (1979), Psychol Bull 86, 420-428: six subjects, four ratings, ICC(1, 1) 0.17, at most 0.72."""
    ratings = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
    of_cell = np.repeat(np.arange(6), 4)
    assert correlation_limit(ratings.ravel(), of_cell, 0.975) == pytest.approx(0.72, abs=0.005)


@pytest.mark.parametrize("correlation", [0.05, 0.3, 0.7])
def test_correlation_limit_has_its_stated_coverage(correlation: float) -> None:
    limits = [correlation_limit(*one_factor(seed, 12, 20, correlation), 0.9) for seed in range(400)]
    assert np.mean(np.array(limits) >= correlation) == pytest.approx(0.9, abs=0.04)


@pytest.mark.parametrize(
    ("values", "of_cell", "expected"),
    [([1, 2, 3], [0, 1, 2], 0.0), ([1, 1, 2, 2], [0, 0, 1, 1], 1.0), ([2, 2, 2, 2], [0, 0, 1, 1], 0.0)],
)
def test_correlation_limit_of_degenerate_values(values: list, of_cell: list, expected: float) -> None:
    assert correlation_limit(np.array(values, float), np.array(of_cell), 0.95) == pytest.approx(expected)


@pytest.mark.parametrize("correlation", [0.1, 0.4, 0.8])
@pytest.mark.parametrize("share", [0.05, 0.2])
def test_tail_correlation_recovers_the_correlation(correlation: float, share: float) -> None:
    scores, of_cell = one_factor(0, 4000, 12, correlation)
    assert tail_correlation(scores, of_cell, share) == pytest.approx(correlation, abs=0.05)


def test_tail_pairs_match_the_bivariate_normal() -> None:
    """The correlation found, put into scipy's bivariate normal law, gives back the share of pairs in the tail."""
    scores, of_cell = one_factor(3, 60, 20, 0.4)
    found, low = tail_correlation(scores, of_cell, 0.1), scores < np.quantile(scores, 0.1)
    lows = np.bincount(of_cell, low)
    line = stats.norm.ppf(low.mean())
    both = stats.multivariate_normal([0, 0], [[1, found], [found, 1]]).cdf([line, line])
    assert (lows * (lows - 1)).sum() / (60 * 20 * 19) == pytest.approx(both, rel=0.02)


def test_one_subject_in_the_tail_raises_the_correlation() -> None:
    generator = np.random.default_rng(0)
    scores, of_cell = generator.normal(size=800), np.repeat(np.arange(40), 20)
    alike = score_correlation(scores, of_cell, 0.95)
    scores[:20] -= 6
    assert alike < 0.1
    assert correlation_limit(normal_scores(scores), of_cell, 0.95) < 0.25
    assert score_correlation(scores, of_cell, 0.95) > 0.6


def test_correlation_does_not_depend_on_the_scale_of_scores() -> None:
    scores, of_cell = one_factor(0, 20, 10, 0.3)
    assert score_correlation(scores, of_cell, 0.95) == pytest.approx(
        score_correlation(np.exp(3 * scores), of_cell, 0.95)
    )


def test_correlation_of_single_cells_and_equal_scores() -> None:
    assert score_correlation(np.arange(30.0), np.arange(30), 0.95) == 0
    assert score_correlation(np.ones(30), np.repeat(np.arange(3), 10), 0.95) == 0
    assert score_correlation(np.repeat([0.1, 0.9], 10), np.repeat([0, 1], 10), 0.95) == MAX_CORRELATION
