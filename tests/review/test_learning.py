"""The order in which cells are labelled next: uncertain, diverse, and a random share."""

import numpy as np

from lymphoscope.review.learning import RANDOM_EVERY, learning_order


def test_every_cell_has_one_rank_and_the_order_repeats() -> None:
    generator = np.random.default_rng(0)
    scores = [dict(zip("abc", row, strict=True)) for row in generator.dirichlet([1, 1, 1], 700)]
    ranks = learning_order(scores, seed="x")
    assert sorted(ranks) == list(range(700))
    assert ranks == learning_order(scores, seed="x")
    assert ranks != learning_order(scores, seed="y")


def test_the_first_cell_is_the_most_uncertain_and_the_second_is_unlike_it() -> None:
    scores = (
        [{"a": 0.5, "b": 0.5, "c": 0.0}] * 10
        + [{"a": 0.0, "b": 0.45, "c": 0.55}] * 10
        + [{"a": 1.0, "b": 0.0, "c": 0.0}]
    )
    ranks = learning_order(scores, seed="x")
    first, second = ranks.index(0), ranks.index(1)
    assert {first // 10, second // 10} == {0, 1}


def test_every_fifth_cell_is_random_so_that_sure_ones_come_as_well() -> None:
    unsure = [{"a": 0.5 + 0.0001 * index, "b": 0.5 - 0.0001 * index} for index in range(100)]
    sure = [{"a": 1.0, "b": 0.0}] * 400
    ranks = learning_order(unsure + sure, seed="x")
    early = [index for index, rank in enumerate(ranks) if rank < 100]
    random_places = 100 // RANDOM_EVERY
    assert random_places / 2 < sum(index >= 100 for index in early)


def test_with_features_the_second_cell_is_far_from_the_first_whatever_the_scores_say() -> None:
    scores = [{"a": 0.5, "b": 0.5}] * 3 + [{"a": 0.52, "b": 0.48}] * 3
    features = np.array([[1, 0], [1, 0], [0, 1], [1, 0], [np.nan, np.nan], [-1, 0]], dtype=np.float32)
    ranks = learning_order(scores, features, seed="x")
    assert sorted(ranks) == list(range(6))
    assert [ranks.index(0), ranks.index(1)] == [0, 5]


def test_cells_without_scores_come_first_and_no_cells_have_no_order() -> None:
    ranks = learning_order([{"a": 0.99, "b": 0.01}] * 5 + [{}], seed="x")
    assert ranks[5] == 0
    assert learning_order([], seed="x") == []
