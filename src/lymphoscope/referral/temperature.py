"""Apply a calibration: scores at a temperature. NumPy only, because every start of `predict` imports it.

`referral/fitting.py` fits the temperature.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lymphoscope.strict_model import StrictModel


class Calibration(StrictModel):
    """How the mean softmax becomes `score_<class>`: softmax(log(mean softmax) / temperature)."""

    temperature: float = Field(gt=0, allow_inf_nan=False, description="Above 1 the mean softmax was too confident.")
    cells: int = Field(description="Number of cells that it was fitted on.")
    subjects: int = Field(description="Number of subjects of these cells.")
    how: str = Field(description="Which cells it was fitted on, in words.")


def calibrated(scores: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Return scores (N, K) in 0-1 at a temperature: softmax(log(scores) / T).

    The order of a cell's classes does not change. With two classes the order of the cells does not change either,
    except where two scores become equal in floating point.
    """
    smallest = np.finfo(np.float64).tiny  # a score of 0 stays the lowest
    logits = np.log(np.maximum(scores, smallest)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
