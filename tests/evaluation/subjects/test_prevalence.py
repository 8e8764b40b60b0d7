import numpy as np
import pytest
from scipy import stats

from lymphoscope.evaluation.intervals import exact_interval
from lymphoscope.evaluation.subjects.prevalence import (
    RateOfOthers,
    corrected_bounds,
    rate_of_others,
    spread_of_others,
)
from lymphoscope.evaluation.subjects.proportions import rogan_gladen
from lymphoscope.evaluation.units import replicate_weights


def drawn_weights(kind: np.ndarray, replicates: int, seed: int) -> np.ndarray:
    return np.concatenate(list(replicate_weights(kind, replicates, seed)))


def test_rate_of_others_leaves_the_subject_out() -> None:
    generator = np.random.default_rng(0)
    of = np.array([1.0, 1, 0, 1, 1])  # one cell each: no spread can be seen, so the samples are the plain bootstrap
    right = np.array([1.0, 0, 0, 1, 1])
    weights = drawn_weights(np.array([0, 0, 1, 0, 0]), 50, 3)
    rate = rate_of_others(right, of, weights, generator)
    assert rate.subjects.tolist() == [3, 3, 4, 3, 3]
    for subject in range(5):
        others = np.arange(5) != subject
        assert rate.value[subject] == pytest.approx(right[others].sum() / of[others].sum())
        for replicate, drawn in enumerate(rate.drawn[:, subject]):
            weight = weights[replicate] * others
            if (weight * of).sum():
                assert drawn == pytest.approx((weight * right).sum() / (weight * of).sum())
            else:
                assert np.isnan(drawn)


def test_spread_of_others_equals_the_analysis_of_variance() -> None:
    generator = np.random.default_rng(1)
    of = generator.integers(2, 30, 8).astype(float)
    right = generator.binomial(of.astype(int), generator.beta(4, 2, 8)).astype(float)
    spread = spread_of_others(right, of)
    assert spread.max() > 0.01
    for subject in range(8):
        cells = [
            np.repeat([1.0, 0.0], [int(k), int(n - k)])
            for other, (k, n) in enumerate(zip(right, of, strict=True))
            if other != subject
        ]
        ratio, sizes = stats.f_oneway(*cells).statistic, np.array([len(part) for part in cells])
        size = (sizes.sum() - (sizes**2).sum() / sizes.sum()) / (len(sizes) - 1)
        assert spread[subject] == pytest.approx(max(0, (ratio - 1) / (ratio + size - 1)))


@pytest.mark.parametrize(("right", "of"), [([3, 4], [3, 4]), ([0, 0, 0], [2, 0, 5]), ([1, 1, 0], [1, 1, 1])])
def test_spread_is_0_where_it_cannot_be_estimated(right: list[float], of: list[float]) -> None:
    assert spread_of_others(np.array(right, float), np.array(of, float)).tolist() == [0] * len(of)


def test_bounds_of_a_perfect_classifier_are_the_exact_interval() -> None:
    positives, cells = np.array([0.0, 3, 50, 200, 40]), np.array([30.0, 30, 200, 200, 41])
    perfect = RateOfOthers(np.ones(5), np.ones((40_000, 5)), np.full(5, 9.0))
    low, high = corrected_bounds(positives, cells, perfect, perfect, np.random.default_rng(0))
    expected_low, expected_high = exact_interval(positives, cells)
    np.testing.assert_allclose(low, expected_low, atol=0.004)
    np.testing.assert_allclose(high, expected_high, atol=0.004)


def test_uninformative_predictions_give_bounds_of_0_and_1() -> None:
    coin = RateOfOthers(np.full(1, 0.5), np.full((100, 1), 0.5), np.full(1, 9.0))
    low, high = corrected_bounds(np.array([5.0]), np.array([50.0]), coin, coin, np.random.default_rng(0))
    assert (low.tolist(), high.tolist()) == ([0], [1])


def simulate(seed: int, subjects: int, cells: int, differ: float) -> dict[str, np.ndarray]:
    """Subjects of known blast share, half of them mixed, read with rates of 0.9 and 0.85 that `differ` by subject."""
    generator = np.random.default_rng(seed)
    mixed = generator.random(subjects) < 0.5
    truth = np.where(mixed, generator.uniform(0, 1, subjects), np.arange(subjects) % 2)

    def rates(mean: float) -> np.ndarray:
        size = 1 / differ - 1 if differ else np.inf
        return generator.beta(mean * size, (1 - mean) * size, subjects) if differ else np.full(subjects, mean)

    blasts = generator.binomial(cells, truth)
    result, cleared = generator.binomial(blasts, rates(0.9)), generator.binomial(cells - blasts, rates(0.85))
    weights = drawn_weights((2 * blasts > cells).astype(int), 500, seed)
    sensitivity = rate_of_others(result * 1.0, blasts * 1.0, weights, generator)
    specificity = rate_of_others(cleared * 1.0, (cells - blasts) * 1.0, weights, generator)
    positives = (result + cells - blasts - cleared).astype(float)
    low, high = corrected_bounds(positives, np.full(subjects, cells * 1.0), sensitivity, specificity, generator)
    covered = (low <= truth) & (truth <= high)
    value = rogan_gladen(positives / cells, sensitivity.value, specificity.value)
    return {"covered": covered[mixed], "error": (value - truth)[mixed], "naive": (positives / cells - truth)[mixed]}


@pytest.mark.slow
@pytest.mark.parametrize("differ", [0.0, 0.05, 0.15])
def test_corrected_interval_covers_for_any_spread_between_subjects(differ: float) -> None:
    rounds = [simulate(seed, 40, 100, differ) for seed in range(40)]
    assert 0.92 <= np.concatenate([result["covered"] for result in rounds]).mean() <= 0.98


def test_bootstrap_without_spread_between_subjects_does_not_cover(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lymphoscope.evaluation.subjects.prevalence.spread_of_others", lambda *_: 0.0)
    covered = np.concatenate([simulate(seed, 40, 100, 0.15)["covered"] for seed in range(20)])
    assert covered.mean() < 0.8


def test_correction_removes_the_bias() -> None:
    rounds = [simulate(seed, 40, 400, 0.0) for seed in range(40)]
    assert abs(np.concatenate([result["error"] for result in rounds]).mean()) < 0.005
    assert np.concatenate([result["naive"] for result in rounds]).mean() > 0.015
