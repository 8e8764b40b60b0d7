"""The vote in NumPy against the method's, ties and skipped streams included."""

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from lymphoscope.errors import LymphoscopeError
from lymphoscope.method import plurality_vote as torch_vote, stream_votes
from lymphoscope.method.numpy.voting import check_finite, decided, plurality_vote, softmax, stream_votes as votes_of


@given(st.integers(2, 4), st.integers(0, 2**32 - 1), st.booleans())
def test_it_votes_as_the_method_does(classes: int, seed: int, skipping: bool) -> None:
    generator = np.random.default_rng(seed)
    # few values, so that ties of every kind come up
    probabilities = generator.integers(0, 3, (3, 16, classes)).astype(np.float32)
    if skipping:
        probabilities[2, generator.random(16) < 0.5] = np.nan
    wanted = torch.from_numpy(probabilities)
    assert votes_of(probabilities).tolist() == stream_votes(wanted).tolist()
    assert plurality_vote(probabilities).tolist() == torch_vote(wanted).tolist()


def test_softmax_sums_to_one_however_large_the_logits() -> None:
    values = softmax(np.array([[1000.0, 0.0], [0.0, -1000.0], [1.0, 1.0]], dtype=np.float32))
    np.testing.assert_allclose(values, [[1, 0], [1, 0], [0.5, 0.5]])


def test_the_mean_may_decide_against_the_vote() -> None:
    probabilities = np.array([[[0.45, 0.55]], [[0.45, 0.55]], [[0.95, 0.05]]], dtype=np.float32)
    features = np.zeros((1, 2), dtype=np.float32)
    assert decided(probabilities, "vote", None, features).labels.tolist() == [1]
    mean = decided(probabilities, "mean", None, features)
    assert (mean.labels.tolist(), mean.agreement.round(2).tolist()) == ([0], [np.float32(0.33)])


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(LymphoscopeError, match="logits: NaN or infinity"):
        check_finite(np.array([np.nan]), "logits")
