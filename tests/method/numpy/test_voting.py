"""Softmax and decision in NumPy. `tests/method/test_twins.py` compares the vote with torch."""

import numpy as np

from lymphoscope.method.numpy import combine_streams, softmax


def test_softmax_sums_to_one_however_large_the_logits() -> None:
    values = softmax(np.array([[1000.0, 0.0], [0.0, -1000.0], [1.0, 1.0]], dtype=np.float32))
    np.testing.assert_allclose(values, [[1, 0], [1, 0], [0.5, 0.5]])


def test_the_mean_can_decide_against_the_vote() -> None:
    probabilities = np.array([[[0.45, 0.55]], [[0.45, 0.55]], [[0.95, 0.05]]], dtype=np.float32)
    features = np.zeros((1, 2), dtype=np.float32)
    assert combine_streams(probabilities, "vote", None, features).labels.tolist() == [1]
    mean = combine_streams(probabilities, "mean", None, features)
    assert (mean.labels.tolist(), mean.agreement.round(2).tolist()) == ([0], [np.float32(0.33)])
