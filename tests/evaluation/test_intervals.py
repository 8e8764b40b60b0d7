from itertools import product

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import special, stats

from lymphoscope.evaluation.intervals import SmallSample, estimate_from_replicates, exact_interval, small_sample
from lymphoscope.evaluation.units import Units, units_of


def single_cells(classes: list[int]) -> Units:
    """A unit of one cell for each of these classes of two."""
    return Units(np.arange(len(classes)), np.array(classes), 2)


def test_degrees_of_freedom_equal_welch_for_equal_units() -> None:
    """Of the difference of two means; scipy's t test of unequal variances as the reference."""
    generator = np.random.default_rng(0)
    one, other = generator.normal(0, 3, 5), generator.normal(0, 1, 9)
    units = single_cells([0] * 5 + [1] * 9)
    without = [one_out.mean() - other.mean() for one_out in (np.delete(one, i) for i in range(5))]
    without += [one.mean() - other_out.mean() for other_out in (np.delete(other, i) for i in range(9))]
    expected = stats.ttest_ind(one, other, equal_var=False)
    result = small_sample(units, np.ones(14), np.arange(14), np.array(without), 0.0)
    assert (result.degrees, result.inflation, result.units) == pytest.approx((expected.df, 1.0, 14))
    # the larger class not left out one by one: its part is the rest of the variance
    spread = np.sqrt(one.var(ddof=1) / 5 + other.var(ddof=1) / 9)
    result = small_sample(units, np.ones(14), np.arange(5), np.array(without[:5]), spread)
    assert result.degrees == pytest.approx(expected.df)


def test_unequal_units_have_the_variance_and_degrees_of_a_simulation() -> None:
    """A mean of normal units weighted 5 : 3 : 1 : 1 : 1, whose variance estimate is compared with its own moments."""
    sizes = np.array([5.0, 3, 1, 1, 1])
    shares = sizes / sizes.sum()
    values = np.random.default_rng(0).normal(size=(200_000, 5))
    estimated = 5 / 4 * (shares**2 * (values - (values @ shares)[:, None]) ** 2).sum(axis=1)
    units = single_cells([0] * 5)
    result = small_sample(units, sizes, np.arange(5), np.arange(5.0), 1.0)
    assert result.inflation**2 == pytest.approx((shares**2).sum() / estimated.mean(), rel=0.01)
    assert result.degrees == pytest.approx(2 * estimated.mean() ** 2 / estimated.var(), rel=0.02)
    assert result.degrees < 1 / (shares**2).sum() - 1 < 4


MANY = SmallSample(1.0, 7.0, 10**9)
"""So many units that none could be exceptional without being in the sample."""


def test_interval_of_a_share_is_symmetric_on_the_logit_scale_and_of_log_loss_on_that_of_its_probability() -> None:
    replicas = np.array([-1.0, 1.0]) * 0.02 + 0.9
    t = special.stdtrit(7, 0.975)
    share = estimate_from_replicates(0.9, replicas, MANY, "share")
    assert special.logit(share.high) - special.logit(0.9) == pytest.approx(t * 0.02 / 0.09)
    assert special.logit(0.9) - special.logit(share.low) == pytest.approx(t * 0.02 / 0.09)
    loss = estimate_from_replicates(0.9, replicas, MANY, "positive")
    probability = np.exp([-loss.high, -0.9, -loss.low])
    steps = np.diff(special.logit(probability))
    assert steps == pytest.approx(t * 0.02 / (1 - probability[1]))
    assert estimate_from_replicates(0.9, replicas, MANY, "bounded") == share
    wider = estimate_from_replicates(0.9, replicas, SmallSample(2.0, 7.0, 10**9), "difference")
    assert wider.high - 0.9 == pytest.approx(2 * t * 0.02)


@given(value=st.floats(0.001, 0.999), spread=st.floats(0.001, 1), degrees=st.floats(2, 100))
def test_interval_holds_its_value_and_stays_on_its_scale(value: float, spread: float, degrees: float) -> None:
    replicas = value + np.array([-spread, spread])
    for scale in ("share", "positive"):
        result = estimate_from_replicates(value, replicas, SmallSample(1.0, degrees, 5), scale)
        assert 0 <= result.low <= value <= result.high
        assert scale != "share" or result.high <= 1


def test_a_biased_number_has_no_interval() -> None:
    result = estimate_from_replicates(0.3, np.array([0.34, 0.38]), MANY, "biased")
    assert (result.value, result.low) == (0.3, None)
    assert "no interval from the bootstrap" in result.reason


@given(misses=st.integers(0, 4000), units=st.integers(3, 100))
def test_upper_end_of_a_share_near_0_is_monotone_and_never_inside_the_exact_bound(misses: int, units: int) -> None:
    """Without an exceptional unit in the sample, 1 - 0.05 ** (1 / n) of them may be exceptional."""
    sample, share = SmallSample(1.0, units - 1.0, units), misses / (100 * units) if misses < 50 * units else 0.4
    few = estimate_from_replicates(share, share + np.array([-1e-4, 1e-4]), sample, "share", worst=1.0)
    more = estimate_from_replicates(share + 0.01, share + 0.01 + np.array([-1e-4, 1e-4]), sample, "share", worst=1.0)
    exact = stats.binomtest(0, units, alternative="less").proportion_ci(method="exact").high
    assert few.high >= exact - 1e-12
    assert more.high >= few.high - 1e-12


def test_fewer_than_three_equal_units_have_no_interval_but_the_exact_bound() -> None:
    """Two have one degree of freedom; three have two, and so they keep theirs."""
    two, three = SmallSample(1.0, 1.0, 2), SmallSample(1.0, 2.0, 3)
    replicas = 0.7 + np.array([-0.1, 0.1])
    for scale in ("share", "bounded", "positive", "difference"):
        refused = estimate_from_replicates(0.7, replicas, two, scale)
        assert (refused.value, refused.low, refused.high, refused.p) == (0.7, None, None, None)
        assert "too few subjects carry this number" in refused.reason
        assert estimate_from_replicates(0.7, replicas, three, scale).low < 0.7
    exact = stats.binomtest(2, 2, alternative="greater").proportion_ci(method="exact")
    assert estimate_from_replicates(1.0, np.ones(50), two, "share").low == pytest.approx(exact.low)


def test_difference_is_significant_where_its_interval_excludes_0() -> None:
    for value, degrees in product([0.0, 0.03, 0.047, 0.048, -0.048, 0.2], [7.0]):
        result = estimate_from_replicates(value, value + np.array([-0.02, 0.02]), MANY, "difference")
        assert (result.p < 0.05) == (result.low > 0 or result.high < 0)
        assert result.p == pytest.approx(2 * stats.t.sf(abs(value) / 0.02, degrees))


def test_few_units_of_one_class_have_their_own_room_in_a_mean_over_classes() -> None:
    """20 of 120 units are of one class, and half of a balanced accuracy or AUC is theirs.

    With the room of 120 equal units the interval of an AUC of subjects held its true value in 90 % of 400 studies.
    """
    units = units_of(np.arange(120), np.repeat([0, 1], [20, 100]), 2)
    one, mean = (
        small_sample(units, np.ones(120), np.arange(120), np.zeros(120), 0.01, is_mean_over_classes=each)
        for each in (False, True)
    )
    bound = {
        each: stats.binomtest(0, each, alternative="less").proportion_ci(method="exact").high for each in (20, 120)
    }
    assert one.unseen() == pytest.approx(bound[120])
    assert mean.unseen() == pytest.approx(bound[20] / 2)
    assert estimate_from_replicates(1.0, np.ones(50), mean, "share").low == pytest.approx(1 - bound[20] / 2)


def test_bound_without_errors_is_exact_over_subjects() -> None:
    """Of 30 subjects none had one: at most 9.5 % of subjects would, by the one-sided bound of Clopper and Pearson."""
    thirty = SmallSample(1.0, 29.0, 30)
    result = estimate_from_replicates(1.0, np.ones(50), thirty, "share")
    exact = stats.binomtest(30, 30, alternative="greater").proportion_ci(method="exact")
    assert (result.low, result.high) == pytest.approx((exact.low, exact.high))
    result = estimate_from_replicates(0.0, np.zeros(50), thirty, "share")
    exact = stats.binomtest(0, 30, alternative="less").proportion_ci(method="exact")
    assert (result.low, result.high) == pytest.approx((exact.low, exact.high))


def test_constant_replicates_give_no_interval_and_a_zero_difference_p_of_1() -> None:
    result = estimate_from_replicates(0.5, np.full(50, 0.5), MANY, "share")
    assert (result.low, result.high, result.reason) == (None, None, "it is the same in every bootstrap replicate")
    assert estimate_from_replicates(0.0, np.zeros(50), MANY, "difference").p == 1
    assert estimate_from_replicates(0.1, np.full(50, 0.1), MANY, "difference").p is None


def test_few_undefined_replicates_are_ignored() -> None:
    replicas = np.concatenate([np.linspace(0.4, 0.6, 96), np.full(4, np.nan)])
    expected = estimate_from_replicates(0.5, replicas[:96], MANY, "share")
    assert estimate_from_replicates(0.5, replicas, MANY, "share") == expected
    result = estimate_from_replicates(0.5, np.concatenate([replicas, [np.nan] * 2]), MANY, "share")
    assert (result.low, "too rare" in result.reason) == (None, True)
    assert estimate_from_replicates(0.5, np.full(9, np.nan), MANY, "share").low is None


@given(trials=st.integers(1, 300), data=st.data())
def test_exact_interval_equals_scipy(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    assert exact_interval(successes, trials) == pytest.approx(
        stats.binomtest(successes, trials).proportion_ci(method="exact")
    )


def test_exact_interval_without_cells_is_0_to_1() -> None:
    assert exact_interval(0, 0) == (0, 1)


def test_a_number_without_a_worst_value_reaches_what_exceptional_units_would_make_it() -> None:
    """On one side, or on both; its other end has the quantile of t."""
    sample = SmallSample(1.0, 7.0, 30, jackknife=0.1)
    replicas = np.array([-5.0, 7.0])  # nearly separated classes: not the spread of a coefficient
    unseen = stats.binomtest(0, 30, alternative="less").proportion_ci(method="exact").high
    t = special.stdtrit(7, 0.975)

    def lowered(share: float) -> np.ndarray:
        return np.array([1 - 20 * share, 1 - share, np.nan])

    result = estimate_from_replicates(1.0, replicas, sample, "coefficient", exceptional=lowered)
    assert (result.low, result.high) == pytest.approx((1 - 20 * unseen, 1 + t * 0.1))
    both = estimate_from_replicates(
        1.0, replicas, sample, "coefficient", exceptional=lambda share: np.array([1 - share / 100, 1 + share / 100])
    )
    assert (both.low, both.high) == pytest.approx((1 - t * 0.1, 1 + t * 0.1))


def test_coefficient_of_few_units_or_undefined_without_one_of_them_has_no_interval() -> None:
    replicas = np.array([0.9, 1.1])
    few = estimate_from_replicates(1.0, replicas, SmallSample(1.0, 2.9, 9, jackknife=0.1), "coefficient")
    assert (few.value, few.low, few.high) == (1.0, None, None)
    assert "less than four equal ones" in few.reason
    undefined = estimate_from_replicates(1.0, replicas, SmallSample(1.0, 8, 9, jackknife=np.nan), "coefficient")
    assert (undefined.low, "separates the classes" in undefined.reason) == (None, True)
    many = estimate_from_replicates(1.0, replicas, SmallSample(1.0, 400, 500), "coefficient")
    assert many.high - 1 == pytest.approx(special.stdtrit(400, 0.975) * 0.1)


def test_spread_of_leaving_out_units_is_the_standard_error_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(size=12)
    without = np.array([np.delete(values, index).mean() for index in range(12)])
    units = single_cells([0] * 12)
    assert small_sample(units, np.ones(12), np.arange(12), without, 9.0).jackknife == pytest.approx(stats.sem(values))
    without[3] = np.nan
    assert np.isnan(small_sample(units, np.ones(12), np.arange(12), without, 9.0).jackknife)
    assert small_sample(units, np.ones(12), np.arange(5), without[4:9], 9.0).jackknife is None


def test_log_loss_has_room_for_a_large_exceptional_unit() -> None:
    """A number without an upper end counts unequal units by their weight, a share by their number."""
    sizes = np.array([*[20] * 5, *[1] * 100])
    unit = np.repeat(np.arange(105), sizes)
    units = units_of(unit.astype(object), np.zeros(len(unit), int), 1)
    sample = small_sample(units, np.ones(len(unit)), np.arange(0), np.zeros(0), 0.01)
    assert sample.equal_units == pytest.approx(200**2 / (5 * 20**2 + 100))
    replicas = np.array([0.49, 0.51])
    loss = estimate_from_replicates(0.5, replicas, sample, "positive", worst=3.0)
    assert loss.high == pytest.approx(0.5 + 2.5 * (1 - 0.05 ** (1 / sample.equal_units)))
    share = estimate_from_replicates(0.5, replicas, sample, "bounded", worst=1.0)
    assert 0.5 + 0.5 * (1 - 0.05 ** (1 / 105)) <= share.high < 0.5 + 0.5 * (1 - 0.05 ** (1 / sample.equal_units))


def test_a_two_sided_interval_has_t_at_both_ends_and_the_room_of_a_two_sided_bound() -> None:
    sample = SmallSample(1.0, 8.0, 10)
    replicas = np.array([0.79, 0.81])
    two = estimate_from_replicates(0.8, replicas, sample, "share", worst=0.0, two_sided=True)
    assert two.low == pytest.approx(0.8 * 0.025 ** (1 / 10))
    assert special.logit(two.high) - special.logit(0.8) == pytest.approx(special.stdtrit(8, 0.975) * 0.01 / 0.16)
    one = estimate_from_replicates(0.8, replicas, sample, "share", worst=0.0)
    assert one.low == pytest.approx(0.8 * 0.05 ** (1 / 10))
    assert one.high < two.high
