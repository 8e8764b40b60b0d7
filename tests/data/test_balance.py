import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from lymphoscope.data.split import Part, stratified_parts

HOLD_OUT = [Part(0.8, 0.0), Part(0.2, 0.5)]


def deal(counts: list[list[int]], parts: list[Part], seed: int = 0) -> np.ndarray:
    return stratified_parts(np.array(counts), parts, np.random.default_rng(seed))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=3, max_size=12), st.lists(st.integers(1, 60), min_size=3, max_size=12))
def test_every_part_has_every_class_where_subjects_are_enough(blasts: list[int], normals: list[int]) -> None:
    counts = [[n, 0] for n in blasts] + [[0, n] for n in normals]
    parts = deal(counts, [Part(0.68, 0.0), Part(0.2, 0.5), Part(0.12, 0.1)])
    for part in range(3):
        assert (np.array(counts)[parts == part].sum(axis=0) > 0).all()


def test_cells_that_stand_alone_are_dealt_exactly_in_proportion() -> None:
    parts = deal([[1, 0]] * 500 + [[0, 1]] * 200, HOLD_OUT)
    assert (parts[:500] == 1).sum() == 100
    assert (parts[500:] == 1).sum() == 40


def test_equal_subjects_are_dealt_evenly_into_folds() -> None:
    parts = deal([[10, 0]] * 20 + [[0, 10]] * 10, [Part(0.2, 0.07)] * 5)
    assert np.bincount(parts[:20]).tolist() == [4] * 5
    assert np.bincount(parts[20:]).tolist() == [2] * 5


def test_a_giant_subject_is_not_the_test() -> None:
    counts = [[200, 0], *[[10, 0]] * 20, *[[0, 15]] * 12]
    for seed in range(5):
        assert deal(counts, HOLD_OUT, seed)[0] == 0


def test_giants_are_told_apart_in_folds() -> None:
    counts = [*[[100, 0]] * 3, *[[5, 0]] * 12, *[[0, 10]] * 9]
    parts = deal(counts, [Part(1 / 3, 0.07)] * 3)
    assert sorted(parts[:3]) == [0, 1, 2]


def test_subjects_that_hold_every_class_are_dealt_by_their_share() -> None:
    generator = np.random.default_rng(0)
    counts = generator.integers(5, 15, (30, 8))
    parts = stratified_parts(counts, HOLD_OUT, generator)
    assert (parts == 1).sum() == 6
    assert counts[parts == 1].sum(axis=0) / counts.sum(axis=0) == pytest.approx(0.2, abs=0.05)


def test_the_same_generator_gives_the_same_deal() -> None:
    counts = [[n, 0] for n in range(1, 20)] + [[0, n] for n in range(1, 15)]
    assert (deal(counts, HOLD_OUT, 3) == deal(counts, HOLD_OUT, 3)).all()
    assert any((deal(counts, HOLD_OUT, 3) != deal(counts, HOLD_OUT, seed)).any() for seed in range(4, 8))


def test_many_groups_stay_within_memory_and_time() -> None:
    counts = np.eye(2, dtype=np.int64)[np.arange(50_000) % 2]
    parts = stratified_parts(counts, HOLD_OUT, np.random.default_rng(0))
    assert abs((parts == 1).sum() - 10_000) <= 2
