"""Fit the temperature and the score band on calibration subjects; neither is promised on scores it was fitted on.

One temperature is fitted on all calibration cells and used from then on. The band needs cells that are new to the
calibration too, so it is fitted on cross-fitted scores: each subject's scores at a temperature from other subjects.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lymphoscope.evaluation import Floats, Indices, fit_temperature
from lymphoscope.referral.calibration import calibrated
from lymphoscope.referral.normal_model import fit_band
from lymphoscope.referral.score_band import ScoreBand

GROUPS = 5
"""Number of groups of subjects in cross-fitting; fewer where there are fewer subjects."""


@dataclass(frozen=True)
class CalibrationFit:
    """The temperature, and the score band; None without a blast class or where a cell has no subject."""

    temperature: float
    band: ScoreBand | None


def fit_calibration(
    scores: Floats,
    truth: Indices,
    subjects: ArrayLike,
    positive_index: int | None,
    *,
    miss_rate: float = 0.01,
    false_alarm_rate: float = 0.05,
    confidence: float = 0.95,
) -> CalibrationFit:
    """Fit on N calibration cells: mean softmax (N, K), class indices (N,), subjects (N,), index of the blast class.

    The cells must be new to the model. Raises LymphoscopeError without cells and for rates outside 0-1.
    """
    names = np.asarray(subjects, dtype=object)
    temperature = careful_temperature(scores, truth)
    if positive_index is None or any(name is None or name != name for name in names):
        return CalibrationFit(temperature, None)
    blast_scores = cross_fitted(scores, truth, names)[:, positive_index]
    rates = {"miss_rate": miss_rate, "false_alarm_rate": false_alarm_rate, "confidence": confidence}
    return CalibrationFit(temperature, fit_band(blast_scores, truth == positive_index, names, **rates))


def careful_temperature(scores: Floats, truth: Indices) -> float:
    """Return `fit_temperature`, but at least 1 where every prediction is right: errors cannot be measured without one.

    Raises LymphoscopeError without cells.
    """
    temperature = fit_temperature(scores, truth)
    return temperature if (scores.argmax(axis=1) != truth).any() else max(1.0, temperature)


def cross_fitted(scores: Floats, truth: Indices, subjects: NDArray[np.object_]) -> Floats:
    """Return scores (N, K), each at a temperature that was fitted without its subject's group; subjects (N,)."""
    groups = _groups(truth, subjects)
    fitted = np.asarray(scores, dtype=np.float64).copy()
    for number in np.unique(groups):
        own = groups == number
        if not own.all():
            fitted[own] = calibrated(fitted[own], careful_temperature(scores[~own], truth[~own]))
    return fitted


def _groups(truth: Indices, subjects: NDArray[np.object_]) -> Indices:
    """Return the group (N,) of each cell; subjects are assigned class by class, so that each group has some of each."""
    names, first, of_cell = np.unique(subjects.astype(str), return_index=True, return_inverse=True)
    order = np.argsort(truth[first], kind="stable")
    group = np.empty(len(names), dtype=np.int64)
    group[order] = np.arange(len(names)) % GROUPS
    return group[of_cell]
