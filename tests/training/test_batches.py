"""The order of the cells in an epoch, their weights, and the normalisation of images."""

from collections import Counter
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from sklearn.utils.class_weight import compute_class_weight

from lymphoscope.training.batches import NO_LABEL, EpochSampler, class_shares, normalise_images, sampling_weights
from lymphoscope.training.initial_network import balanced_class_weights


def test_each_epoch_has_every_cell_once_in_its_own_order() -> None:
    sampler = EpochSampler(50, seed=3)
    first = [index for _, _, index in sampler]
    again = [index for _, _, index in sampler]
    sampler.set_epoch(1)
    second = [index for _, _, index in sampler]
    assert first == again != second
    assert sorted(first) == sorted(second) == list(range(50))


class OneOf(EpochSampler):
    def __init__(self, rank: int, world: int) -> None:
        super().__init__(10, seed=0)
        self.share = rank, world

    def _rank_and_world(self) -> tuple[int, int]:
        return self.share


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_an_epoch(world: int) -> None:
    shares = [list(OneOf(rank, world)) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    positions = [position for share in shares for _, position, _ in share]
    assert len(positions) == len(set(positions))
    assert {index for share in shares for _, _, index in share} == set(range(10))


def test_weights_make_classes_and_subjects_equally_likely() -> None:
    labels = [0] * 90 + [1] * 10
    subjects = ["a"] * 80 + ["b"] * 10 + ["c"] * 5 + ["d"] * 5
    by_class = sampling_weights("class", labels, subjects)
    assert by_class[:90].sum() == pytest.approx(by_class[90:].sum())
    per_subject = sampling_weights("subject", labels, subjects)
    shares = Counter()
    for subject, weight in zip(subjects, per_subject / per_subject.sum(), strict=True):
        shares[subject] += weight
    assert shares == pytest.approx({"a": 0.25, "b": 0.25, "c": 0.25, "d": 0.25})
    assert sampling_weights("shuffle", labels, subjects) is None


@pytest.mark.parametrize("sampling", ["class", "subject"])
def test_partial_label_counts_as_a_part_of_a_cell_of_each_class(sampling: Literal["class", "subject"]) -> None:
    labels, subjects = [0] * 90 + [1] * 10 + [2] * 30, ["a"] * 50 + ["b"] * 40 + ["c"] * 4 + ["d"] * 6 + ["e"] * 30
    known = np.eye(3, dtype=bool)[labels]
    np.testing.assert_array_equal(
        sampling_weights(sampling, labels, subjects, known), sampling_weights(sampling, labels, subjects)
    )
    possible = np.concatenate([known, [[True, True, False]] * 40])
    shares = class_shares([*labels, *[NO_LABEL] * 40], possible)
    assert shares.sum(axis=0).tolist() == [110, 30, 30]
    weights = sampling_weights(sampling, labels + [NO_LABEL] * 40, [*subjects, *["a"] * 40], possible)
    assert weights.sum() == pytest.approx(3)  # each class weighs 1
    assert weights[100:130].sum() == pytest.approx(1)
    if sampling == "class":
        np.testing.assert_allclose(weights[:90], 1 / 110)
        np.testing.assert_allclose(weights[130:], (1 / 110 + 1 / 30) / 2)
    else:  # class 0: 50 + 20 of a, 40 of b; class 1: 4 of c, 6 of d, 20 of a
        np.testing.assert_allclose(weights[:50], 1 / 70 / 2)
        np.testing.assert_allclose(weights[90:94], 1 / 4 / 3)
        np.testing.assert_allclose(weights[130:], (1 / 70 / 2 + 1 / 20 / 3) / 2)
    assert sampling_weights("shuffle", labels, subjects, possible) is None


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([*"abc", None])), min_size=1, max_size=40))
def test_weights_are_one_by_the_number_of_cells_and_of_subjects(cells: list[tuple[int, str | None]]) -> None:
    labels, subjects = [label for label, _ in cells], [subject for _, subject in cells]
    of_class, of_pair = Counter(labels), Counter(cells)
    assert sampling_weights("class", labels, subjects).tolist() == [1 / of_class[label] for label in labels]
    owners = {label: len({pair for pair in cells if pair[0] == label}) for label in labels}
    expected = [1 / of_pair[cell] / owners[cell[0]] for cell in cells]
    assert sampling_weights("subject", labels, subjects).tolist() == expected


def test_class_weights_are_balanced_and_count_parts_of_cells() -> None:
    labels = [0] * 7 + [1] * 2 + [2] * 21
    balanced = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(balanced_class_weights(class_shares(labels)), balanced, rtol=1e-6)
    possible = np.concatenate([np.eye(3, dtype=bool)[labels], [[True, True, False]] * 10])
    weights = balanced_class_weights(class_shares([*labels, *[NO_LABEL] * 10], possible))
    np.testing.assert_allclose(weights, [40 / 3 / 12, 40 / 3 / 7, 40 / 3 / 21], rtol=1e-6)


def test_weighted_draws_follow_the_weights() -> None:
    weights = np.array([3.0] * 10 + [1.0] * 10)
    sampler = EpochSampler(20, seed=0, weights=weights)
    drawn: list[int] = []
    for epoch in range(400):
        sampler.set_epoch(epoch)
        drawn += [index for _, _, index in sampler]
    assert np.mean(np.array(drawn) < 10) == pytest.approx(0.75, abs=0.02)


def test_images_are_normalised_by_mean_and_std() -> None:
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    mean, std = torch.rand(3, 1, 1), torch.rand(3, 1, 1) + 0.1
    ours = normalise_images(images, mean, std)
    torch.testing.assert_close(ours, (images / 255.0 - mean) / std, rtol=1e-5, atol=1e-5)
    assert ours.is_contiguous(memory_format=torch.channels_last)
