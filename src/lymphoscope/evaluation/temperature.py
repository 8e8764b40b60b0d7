"""Scores at a temperature, by NumPy alone: every start of `predict` reads this."""

import numpy as np
from numpy.typing import NDArray


def calibrated(scores: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Scores (N, K) at a temperature: softmax(log(scores) / T). The order of a cell's classes stays as it was.

    With two classes the order of the cells stays too, but for cells that come to lie closer than a float can tell.
    """
    smallest = np.finfo(np.float64).tiny  # a score of 0 stays the lowest
    logits = np.log(np.maximum(scores, smallest)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
