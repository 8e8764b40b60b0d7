import numpy as np
import pytest
from scipy import stats

from lymphoscope.evaluation import holm, resampled_t_p, sign_flip_p
from lymphoscope.evaluation.subject_tests import mid_p


@pytest.mark.parametrize("subjects", [5, 9, 14])
def test_sign_flips_equal_scipys_permutation_test_less_half_of_the_ties(subjects: int) -> None:
    differences = np.random.default_rng(subjects).normal(0.4, 1, subjects)
    expected = stats.permutation_test(
        (differences, np.zeros(subjects)),
        lambda one, other: (one - other).sum(),
        permutation_type="samples",
        n_resamples=np.inf,
    )
    assert sign_flip_p(differences) == pytest.approx(expected.pvalue - 1 / 2**subjects)


def test_few_values_of_p_keep_their_level_by_the_mid_p() -> None:
    """Counts of cells between -2 and 2 on nine subjects: many ties."""
    generator = np.random.default_rng(1)
    found = [sign_flip_p(generator.integers(-2, 3, 9).astype(float)) for _ in range(3000)]
    tested = [p for p in found if p is not None]
    assert len(tested) > 2500
    assert 0.04 <= np.mean([p <= 0.05 for p in tested]) <= 0.065


def test_four_subjects_cannot_show_a_difference() -> None:
    assert sign_flip_p(np.array([5.0, 3, 2, 1, 0, 0])) is None
    assert sign_flip_p(np.array([5.0, 3, 2, 1, 1, 0])) == pytest.approx(1 / 32)


def test_an_undefined_difference_counts_as_the_largest() -> None:
    assert mid_p(np.array([1.0, 2, np.nan, *[0.0] * 97])) == pytest.approx(0.025)


def test_many_subjects_are_sampled_and_subjects_without_a_difference_do_not_count() -> None:
    differences = np.random.default_rng(0).normal(0.35, 1, 60)
    assert sign_flip_p(differences) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.02)
    assert sign_flip_p(differences) == sign_flip_p(np.concatenate([differences, np.zeros(30)]))
    assert sign_flip_p(np.zeros(5)) == 1


@pytest.mark.slow
def test_sign_flips_reject_equal_models_at_their_level() -> None:
    generator = np.random.default_rng(0)
    rejected = [sign_flip_p(generator.standard_t(3, 12) * generator.lognormal(0, 1, 12)) < 0.05 for _ in range(1000)]
    assert 0.03 <= np.mean(rejected) <= 0.07


def test_holm_multiplies_the_smallest_by_the_number_of_tests_and_never_falls() -> None:
    assert holm([0.01, 0.02, 0.03, 0.04]) == pytest.approx([0.04, 0.06, 0.06, 0.06])  # R's p.adjust
    assert holm([0.5, 0.001, 0.6]) == pytest.approx([1.0, 0.003, 1.0])
    assert holm([None, 0.01, None, 0.04]) == [None, 0.02, None, 0.04]


def test_resampled_t_raises_the_variance_by_the_shared_training_cells() -> None:
    differences = np.array([0.02, 0.01, 0.03, 0.015, 0.0])
    mean, variance = differences.mean(), differences.var(ddof=1)
    t = mean / np.sqrt(variance * (1 / 5 + 0.2 / 0.8))
    assert resampled_t_p(differences, 0.2) == pytest.approx(2 * stats.t.sf(t, 4))
    assert resampled_t_p(differences, 0.2) > stats.ttest_1samp(differences, 0).pvalue
    assert resampled_t_p(np.zeros(3), 0.2) == 1
