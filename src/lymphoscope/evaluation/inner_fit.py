"""Temperature and referral band from inner cells, neither promised on the scores that it was fitted on.

One temperature is fitted on all inner cells and kept. The band needs cells that are new to the calibration too
(`thresholds`), so it is fitted on scores that are cross-fitted: each subject's at a temperature from the others alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lymphoscope.evaluation.calibration import fit_temperature
from lymphoscope.evaluation.metrics import Floats, Indices
from lymphoscope.evaluation.temperature import calibrated
from lymphoscope.evaluation.thresholds import ReferralBand, fit_band

GROUPS = 5
"""Groups of subjects in cross-fitting, fewer where there are fewer subjects."""


@dataclass(frozen=True)
class InnerFit:
    """What inner cells say of a score; `band` is None where no class is the blast class or a cell has no subject."""

    temperature: float
    band: ReferralBand | None


def fit_inner(
    scores: Floats,
    truth: Indices,
    subjects: ArrayLike,
    blast: int | None,
    *,
    miss_rate: float = 0.01,
    false_alarm_rate: float = 0.05,
    confidence: float = 0.95,
) -> InnerFit:
    """Fit on N inner cells: mean softmax (N, K), labels (N,), subjects (N,), the blast class's index or None.

    The cells must be new to the model. Raises LymphoscopeError without cells and for rates outside 0-1.
    """
    names = np.asarray(subjects, dtype=object)
    temperature = careful_temperature(scores, truth)
    if blast is None or any(name is None or name != name for name in names):
        return InnerFit(temperature, None)
    fresh = cross_fitted(scores, truth, names)[:, blast]
    rates = {"miss_rate": miss_rate, "false_alarm_rate": false_alarm_rate, "confidence": confidence}
    return InnerFit(temperature, fit_band(fresh, truth == blast, names, **rates))


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
