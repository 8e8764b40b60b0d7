from itertools import product

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import special, stats

from lymphoscope.evaluation.intervals import (
    Units,
    degrees_of_freedom,
    estimate_from_replicates,
    exact_interval,
    leave_one_out_weights,
    replicate_weights,
    units_of,
)
from lymphoscope.evaluation.outcomes import Outcomes


def subjects(kinds: list[int], cells: int) -> tuple[Units, Outcomes]:
    """A subject of each class in turn, each with so many cells."""
    truth = np.repeat(kinds, cells)
    names = np.repeat([f"S{subject:02}" for subject in range(len(kinds))], cells).astype(object)
    outcomes = Outcomes(truth, truth, np.eye(2)[truth], ("all", "hem"), positive_index=0)
    return units_of(names, outcomes), outcomes


def test_units_are_subjects_of_their_commonest_label() -> None:
    truth = np.array([0, 0, 1, 1, 1, 0])
    outcomes = Outcomes(truth, truth, np.eye(2)[truth], ("all", "hem"), positive_index=0)
    units = units_of(np.array(list("bbbaaa"), dtype=object), outcomes)
    assert units.of_cell.tolist() == [1, 1, 1, 0, 0, 0]
    assert units.class_index.tolist() == [1, 0]


def test_replicates_draw_whole_subjects_and_keep_the_weight_of_each_class() -> None:
    units, _ = subjects([0, 1] * 4 + [0], 4)
    weights = np.concatenate(list(replicate_weights(units, 300, seed=1)))
    per_subject = weights.reshape(300, 9, 4)
    assert (per_subject == per_subject[:, :, :1]).all()
    np.testing.assert_allclose(per_subject[:, 0::2, 0].sum(axis=1), 5)
    np.testing.assert_allclose(per_subject[:, 1::2, 0].sum(axis=1), 4)
    assert per_subject[:, :, 0].mean(axis=0) == pytest.approx(np.ones(9), abs=0.25)
    assert len(np.unique(weights, axis=0)) > 200


@pytest.mark.parametrize("number", [2, 3, 8])
def test_the_spread_of_a_mean_is_that_of_the_textbook(number: int) -> None:
    """The bootstrap that draws n of n has sqrt((n - 1) / n) of it, which is what drawing n - 1 mends."""
    units, _ = subjects([0] * number, 1)
    values = np.random.default_rng(number).normal(size=number)
    weights = np.concatenate(list(replicate_weights(units, 40_000, seed=0)))
    spread = (weights @ values / number).std()
    assert spread == pytest.approx(values.std(ddof=1) / np.sqrt(number), rel=0.02)


def test_a_subject_alone_in_its_class_is_always_there() -> None:
    units, _ = subjects([0, 0, 0, 1], 2)
    weights = np.concatenate(list(replicate_weights(units, 20, seed=0)))
    assert (weights[:, 6:] == 1).all()


def test_chunks_are_bounded_and_make_up_the_replicates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lymphoscope.evaluation.intervals._NUMBERS_AT_ONCE", 100)
    units, _ = subjects([0, 1, 0, 1, 0], 4)
    assert [chunk.shape for chunk in replicate_weights(units, 13, seed=0)] == [(5, 20), (5, 20), (3, 20)]
    assert [chunk.shape for chunk in leave_one_out_weights(units, np.array([0, 3]))] == [(2, 20)]


def test_the_seed_decides() -> None:
    units, _ = subjects([0, 1] * 5, 3)
    first, again, other = (np.concatenate(list(replicate_weights(units, 9, seed=seed))) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_leaving_one_out_gives_its_weight_to_the_others_of_its_class() -> None:
    units, _ = subjects([0, 0, 0, 1, 1], 2)
    weights = np.concatenate(list(leave_one_out_weights(units, np.array([0, 4]))))
    np.testing.assert_allclose(weights[0], [0, 0, 1.5, 1.5, 1.5, 1.5, 1, 1, 1, 1])
    np.testing.assert_allclose(weights[1], [1, 1, 1, 1, 1, 1, 2, 2, 0, 0])


def test_degrees_of_freedom_are_welchs() -> None:
    """Of the difference of two means; scipy's t test of unequal variances as the reference."""
    generator = np.random.default_rng(0)
    one, other = generator.normal(0, 3, 5), generator.normal(0, 1, 9)
    units, _ = subjects([0] * 5 + [1] * 9, 1)
    without = [one_out.mean() - other.mean() for one_out in (np.delete(one, i) for i in range(5))]
    without += [one.mean() - other_out.mean() for other_out in (np.delete(other, i) for i in range(9))]
    used = np.ones(14, dtype=bool)
    expected = stats.ttest_ind(one, other, equal_var=False)
    found = degrees_of_freedom(units, used, np.arange(14), np.array(without), 0.0)
    assert found == pytest.approx(expected.df)
    # the larger class not left out one by one: its part is what is left of the variance
    spread = np.sqrt(one.var(ddof=1) / 5 + other.var(ddof=1) / 9)
    found = degrees_of_freedom(units, used, np.arange(5), np.array(without[:5]), spread)
    assert found == pytest.approx(expected.df)


def test_a_share_is_bounded_on_the_logit_scale_and_a_log_loss_on_that_of_its_probability() -> None:
    replicas = np.array([-1.0, 1.0]) * 0.02 + 0.9
    t = special.stdtrit(7, 0.975)
    share = estimate_from_replicates(0.9, replicas, 7, 8, "share")
    assert special.logit(share.high) - special.logit(0.9) == pytest.approx(t * 0.02 / 0.09)
    assert special.logit(0.9) - special.logit(share.low) == pytest.approx(t * 0.02 / 0.09)
    loss = estimate_from_replicates(0.9, replicas, 7, 8, "positive")
    probability = np.exp([-loss.high, -0.9, -loss.low])
    steps = np.diff(special.logit(probability))
    assert steps == pytest.approx(t * 0.02 / (1 - probability[1]))
    assert estimate_from_replicates(0.9, replicas, 7, 8, "bounded") == share


@given(value=st.floats(0.001, 0.999), spread=st.floats(0.001, 1), degrees=st.floats(1, 100))
def test_an_interval_holds_its_value_and_lies_where_the_number_can(value: float, spread: float, degrees: float) -> None:
    replicas = value + np.array([-spread, spread])
    for scale in ("share", "positive", "biased"):
        found = estimate_from_replicates(value, replicas, degrees, 5, scale)
        assert 0 <= found.low <= value <= found.high
        assert scale != "share" or found.high <= 1


def test_what_is_too_high_in_few_cells_reaches_down_by_its_bias() -> None:
    t = special.stdtrit(7, 0.975)
    found = estimate_from_replicates(0.3, np.array([0.34, 0.38]), 7, 8, "biased")
    assert (found.low, found.high) == pytest.approx((0.3 - 0.06 - 0.02 * t, 0.3 + 0.02 * t))


def test_a_difference_is_significant_where_its_interval_leaves_out_0() -> None:
    for value, degrees in product([0.0, 0.03, 0.047, 0.048, -0.048, 0.2], [7.0]):
        found = estimate_from_replicates(value, value + np.array([-0.02, 0.02]), degrees, 8, "difference")
        assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
        assert found.p == pytest.approx(2 * stats.t.sf(abs(value) / 0.02, degrees))


def test_without_a_mistake_the_bound_is_exact_over_subjects() -> None:
    """Of 30 subjects none had one: those who would, are 11.6 % at most, by Clopper and Pearson."""
    found = estimate_from_replicates(1.0, np.ones(50), 29, 30, "share")
    assert (found.low, found.high) == pytest.approx(stats.binomtest(30, 30).proportion_ci(method="exact"))
    found = estimate_from_replicates(0.0, np.zeros(50), 29, 30, "share")
    assert (found.low, found.high) == pytest.approx(stats.binomtest(0, 30).proportion_ci(method="exact"))


def test_what_never_changes_has_no_interval_and_a_difference_of_nothing_no_significance() -> None:
    found = estimate_from_replicates(0.5, np.full(50, 0.5), 29, 30, "share")
    assert (found.low, found.high, found.reason) == (None, None, "it is the same in every bootstrap replicate")
    assert estimate_from_replicates(0.0, np.zeros(50), 29, 30, "difference").p == 1
    assert estimate_from_replicates(0.1, np.full(50, 0.1), 29, 30, "difference").p is None


def test_replicates_without_a_value_are_left_out_while_they_are_few() -> None:
    replicas = np.concatenate([np.linspace(0.4, 0.6, 96), np.full(4, np.nan)])
    assert estimate_from_replicates(0.5, replicas, 9, 10, "share") == estimate_from_replicates(
        0.5, replicas[:96], 9, 10, "share"
    )
    found = estimate_from_replicates(0.5, np.concatenate([replicas, [np.nan] * 2]), 9, 10, "share")
    assert (found.low, "too rare" in found.reason) == (None, True)
    assert estimate_from_replicates(0.5, np.full(9, np.nan), 9, 10, "share").low is None


@given(trials=st.integers(1, 300), data=st.data())
def test_the_exact_interval_is_scipys(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    assert exact_interval(successes, trials) == pytest.approx(
        stats.binomtest(successes, trials).proportion_ci(method="exact")
    )


def test_exact_interval_of_no_cells_is_everything() -> None:
    assert exact_interval(0, 0) == (0, 1)
