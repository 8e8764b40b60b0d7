"""Scores at a temperature, by NumPy alone: every start of `predict` reads this.

Temperature and referral band from inner cells, neither promised on the scores that it was fitted on.

One temperature is fitted on all inner cells and kept. The band needs cells that are new to the calibration too
(`thresholds`), so it is fitted on scores that are cross-fitted: each subject's at a temperature from the others alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lymphoscope.evaluation.calibration import fit_temperature
from lymphoscope.evaluation.metrics import Floats, Indices
from lymphoscope.referral.band import ReferralBand, fit_band


def calibrated(scores: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Scores (N, K) at a temperature: softmax(log(scores) / T). The order of a cell's classes stays as it was.

    With two classes the order of the cells stays too, but for cells that come to lie closer than a float can tell.
    """
    smallest = np.finfo(np.float64).tiny  # a score of 0 stays the lowest
    logits = np.log(np.maximum(scores, smallest)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


GROUPS = 5
"""Groups of subjects in cross-fitting, fewer where there are fewer subjects."""


@dataclass(frozen=True)
class CalibrationFit:
    """What inner cells say of a score; `band` is None where no class is the blast class or a cell has no subject."""

    temperature: float
    band: ReferralBand | None


def fit_calibration(
    scores: Floats,
    truth: Indices,
    subjects: ArrayLike,
    blast: int | None,
    *,
    miss_rate: float = 0.01,
    false_alarm_rate: float = 0.05,
    confidence: float = 0.95,
) -> CalibrationFit:
    """Geometry on N inner cells: mean softmax (N, K), labels (N,), subjects (N,), the blast class's index or None.

    The cells must be new to the model. Raises LymphoscopeError without cells and for rates outside 0-1.
    """
    names = np.asarray(subjects, dtype=object)
    temperature = careful_temperature(scores, truth)
    if blast is None or any(name is None or name != name for name in names):
        return CalibrationFit(temperature, None)
    fresh = cross_fitted(scores, truth, names)[:, blast]
    rates = {"miss_rate": miss_rate, "false_alarm_rate": false_alarm_rate, "confidence": confidence}
    return CalibrationFit(temperature, fit_band(fresh, truth == blast, names, **rates))


def careful_temperature(scores: Floats, truth: Indices) -> float:
    """`fit_temperature`, but 1 or more where no cell is called wrongly: no mistake, no measure of how rare they are.

    Raises LymphoscopeError without cells.
    """
    temperature = fit_temperature(scores, truth)
    return temperature if (scores.argmax(axis=1) != truth).any() else max(1.0, temperature)


def cross_fitted(scores: Floats, truth: Indices, subjects: NDArray[np.object_]) -> Floats:
    """Scores (N, K), each calibrated at a temperature that was fitted without its subject's group; subjects (N,)."""
    groups = _groups(truth, subjects)
    found = np.asarray(scores, dtype=np.float64).copy()
    for number in np.unique(groups):
        own = groups == number
        if not own.all():
            found[own] = calibrated(found[own], careful_temperature(scores[~own], truth[~own]))
    return found


def _groups(truth: Indices, subjects: NDArray[np.object_]) -> Indices:
    """The group (N,) of each cell; subjects are dealt out class by class, so that each group has some of each."""
    names, first, of_cell = np.unique(subjects.astype(str), return_index=True, return_inverse=True)
    order = np.argsort(truth[first], kind="stable")
    group = np.empty(len(names), dtype=np.int64)
    group[order] = np.arange(len(names)) % GROUPS
    return group[of_cell]
