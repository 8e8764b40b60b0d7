import numpy as np
import pytest

from lymphoscope.evaluation.units import Units, leave_one_out_weights, replicate_weights, strata_of, units_of


def subjects(num_classes: list[int], cells: int) -> Units:
    """A subject of each class in turn, each with so many cells."""
    truth = np.repeat(num_classes, cells)
    names = np.repeat([f"S{subject:02}" for subject in range(len(num_classes))], cells).astype(object)
    return units_of(names, truth, 2)


def test_units_and_strata_do_not_depend_on_the_order_of_the_cells() -> None:
    names, labels = np.array(list("bbbaaacc"), dtype=object), np.array([0, 0, 0, 1, 1, 1, 1, 1])
    units, reverse = units_of(names, labels, 2), units_of(names[::-1], labels[::-1], 2)
    assert units.of_cell.tolist() == reverse.of_cell[::-1].tolist() == [1, 1, 1, 0, 0, 0, 2, 2]
    assert units.stratum.tolist() == reverse.stratum.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("cells", "strata"),
    [
        ([[3, 0], [2, 0], [0, 1], [0, 9]], [0, 0, 1, 1]),  # each class is a stratum
        ([[3, 0], [2, 0], [0, 1], [0, 9], [1, 1], [5, 2]], [0, 0, 1, 1, 2, 2]),  # and so are those of several
        ([[3, 0], [2, 0], [0, 1], [0, 9], [1, 2]], [0, 0, 1, 1, 1]),  # a single one of several joins a class
        ([[3, 0], [2, 0], [1, 2]], [0, 0, 0]),  # one with other units
        ([[3, 0, 0], [2, 0, 0], [0, 1, 2]], [0, 0, 0]),  # or else the largest stratum
        ([[3, 0], [0, 4], [0, 9], [1, 1], [5, 2]], [2, 1, 1, 2, 2]),  # a class with one unit joins those of several
        ([[3, 0], [0, 4], [0, 9]], [0, 1, 1]),  # where there are none, it is alone
    ],
)
def test_strata_are_the_classes_of_the_units_cells(cells: list[list[int]], strata: list[int]) -> None:
    assert strata_of(np.array(cells, dtype=float)).tolist() == strata


def test_replicates_draw_whole_subjects_and_keep_the_weight_of_each_class() -> None:
    units = subjects([0, 1] * 4 + [0], 4)
    weights = np.concatenate(list(replicate_weights(units.stratum, 300, seed=1)))
    assert weights.shape == (300, 9)
    np.testing.assert_allclose(weights[:, 0::2].sum(axis=1), 5)
    np.testing.assert_allclose(weights[:, 1::2].sum(axis=1), 4)
    assert weights.mean(axis=0) == pytest.approx(np.ones(9), abs=0.25)
    assert len(np.unique(weights, axis=0)) > 200


@pytest.mark.parametrize("number", [2, 3, 8])
def test_bootstrap_spread_of_a_mean_equals_its_standard_error(number: int) -> None:
    """The bootstrap that samples n of n has sqrt((n - 1) / n) of it, which is what drawing n - 1 mends."""
    units = subjects([0] * number, 1)
    values = np.random.default_rng(number).normal(size=number)
    weights = np.concatenate(list(replicate_weights(units.stratum, 40_000, seed=0)))
    spread = (weights @ values / number).std()
    assert spread == pytest.approx(values.std(ddof=1) / np.sqrt(number), rel=0.02)


def test_only_unit_of_a_stratum_is_in_every_replicate() -> None:
    units = subjects([0, 0, 0, 1], 2)
    weights = np.concatenate(list(replicate_weights(units.stratum, 20, seed=0)))
    assert (weights[:, 3:] == 1).all()


def test_chunks_are_bounded_and_add_up_to_all_replicates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lymphoscope.evaluation.units._NUMBERS_AT_ONCE", 25)
    units = subjects([0, 1, 0, 1, 0], 4)
    assert [chunk.shape for chunk in replicate_weights(units.stratum, 13, seed=0)] == [(5, 5), (5, 5), (3, 5)]
    assert [chunk.shape for chunk in leave_one_out_weights(units.stratum, np.array([0, 3]))] == [(2, 5)]


def test_same_seed_gives_the_same_result() -> None:
    units = subjects([0, 1] * 5, 3)
    first, again, other = (np.concatenate(list(replicate_weights(units.stratum, 9, seed=seed))) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_leaving_one_out_redistributes_its_weight_within_its_stratum() -> None:
    units = subjects([0, 0, 0, 1, 1], 2)
    weights = np.concatenate(list(leave_one_out_weights(units.stratum, np.array([0, 4]))))
    np.testing.assert_allclose(weights[0], [0, 1.5, 1.5, 1, 1])
    np.testing.assert_allclose(weights[1], [1, 1, 1, 2, 0])
