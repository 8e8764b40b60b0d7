"""Fit temperature and score band on calibration subjects: labelled cells of subjects that are new to the network."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import Floats, Indices, fit_temperature
from lymphoscope.method.numpy import mean_scores, stream_votes
from lymphoscope.referral.fit_options import ReferralOptions
from lymphoscope.referral.normal_model import fit_normal_model
from lymphoscope.referral.risk_control import ControlledLimit, control_risk
from lymphoscope.referral.score_band import MARGIN, ScoreBand
from lymphoscope.referral.temperature import Calibration
from lymphoscope.vocabulary import Stream

FEW_CELLS = 20
"""Fewer cells of a class than this make a temperature uncertain."""


@dataclass(frozen=True)
class CalibrationCells:
    """N labelled cells that are new to a model."""

    probabilities: NDArray[np.float32]
    """(3, N, K) softmax of each stream; NaN where it was not run."""
    truth: Indices
    """(N,) class index."""
    subjects: NDArray[np.object_]
    """(N,) subject, or group of subjects that share cells; None where it is unknown."""
    how: str
    """Which cells they are, in words."""
    estimate: str | None = None
    """Why rates measured on them are no promises, if so."""

    @property
    def scores(self) -> Floats:
        """(N, K) mean softmax of the streams that were run."""
        return mean_scores(self.probabilities).astype(np.float64)

    @property
    def num_subjects(self) -> int:
        """Number of known subjects."""
        return len({name for name in self.subjects if _is_known(name)})


@dataclass(frozen=True)
class ReferralFit:
    """What calibration cells say about a model."""

    calibration: Calibration | None
    """None where a class has no cell."""
    band: ScoreBand | None
    """None without a calibration or a blast class, and where a cell has no subject."""
    notes: list[str] = field(default_factory=list)
    """What was not fitted, or is uncertain, and why."""


def fit_referral(
    cells: CalibrationCells,
    options: ReferralOptions,
    positive_index: int | None,
    streams: Sequence[Stream],
) -> ReferralFit:
    """Fit temperature and band on calibration cells, for a model with these streams and blast class index.

    Raises LymphoscopeError for scores that are not in 0-1.
    """
    if not _are_probabilities(cells.probabilities):
        raise LymphoscopeError("referral: a calibration score is not in 0-1: leave out cells without a prediction")
    counts = np.bincount(cells.truth, minlength=cells.probabilities.shape[2])
    if not counts.all():
        return ReferralFit(None, None, ["not calibrated, and no score band: a class has no calibration cell"])
    calibration = Calibration(
        temperature=careful_temperature(cells.scores, cells.truth),
        cells=len(cells.truth),
        subjects=cells.num_subjects,
        how=f"On {cells.how}.",
    )
    notes = _uncertain_temperature(calibration, counts)
    if positive_index is None:
        return ReferralFit(calibration, None, [*notes, "no score band: the model has no blast class"])
    unknown = sum(not _is_known(name) for name in cells.subjects)
    if unknown:
        lacking = f"no score band: {unknown} of {len(cells.subjects)} calibration cells have no subject"
        return ReferralFit(calibration, None, [*notes, lacking])
    return ReferralFit(calibration, fit_band(cells, options, positive_index, streams), notes)


def fit_band(
    cells: CalibrationCells, options: ReferralOptions, positive_index: int, streams: Sequence[Stream]
) -> ScoreBand:
    """Fit the score band. The scores are not calibrated, so that no temperature fitted on the same cells enters."""
    lowest, highest = score_bounds(cells.probabilities, streams, positive_index)
    is_blast = cells.truth == positive_index
    miss = _limit(lowest[is_blast], cells.subjects[is_blast], options.miss_rate, options)
    false_alarm = _limit(-highest[~is_blast], cells.subjects[~is_blast], options.false_alarm_rate, options)
    return ScoreBand(
        low=_tightened(miss.limit),
        high=1 - _tightened(1 + false_alarm.limit),
        method=options.method,
        kind="confidence" if options.method == "normal_model" else options.promise,
        confidence=options.confidence,
        miss=miss.promise,
        false_alarm=false_alarm.promise,
        estimate=cells.estimate,
        how=f"On {cells.how}.",
    )


def score_bounds(
    probabilities: NDArray[np.float32], streams: Sequence[Stream], positive_index: int
) -> tuple[Floats, Floats]:
    """Return the lowest and the highest blast score (N,) that a cell can have under either erase policy.

    From the softmax of the streams (3, N, K). With lazy voting a cell on whose class raw and crop agree has the mean of
    these two. Where the erase stream of a model that has one was not run, it may have been anything in 0-1.
    """
    scores = mean_scores(probabilities)[:, positive_index].astype(np.float64)
    if set(streams) != {"raw", "crop", "erase"}:
        return scores, scores
    votes = stream_votes(probabilities)
    first_two = mean_scores(probabilities[:2])[:, positive_index].astype(np.float64)
    lazy = np.where(votes[0] == votes[1], first_two, scores)
    skipped = np.isnan(probabilities[2]).any(axis=1)
    always_low = np.where(skipped, 2 * first_two / 3, scores)
    always_high = np.where(skipped, (2 * first_two + 1) / 3, scores)
    return np.minimum(lazy, always_low), np.maximum(lazy, always_high)


def careful_temperature(scores: Floats, truth: Indices) -> float:
    """Return `fit_temperature`, but at least 1 where every prediction is right: errors cannot be measured without one.

    Raises LymphoscopeError without cells.
    """
    temperature = fit_temperature(scores, truth)
    return temperature if (scores.argmax(axis=1) != truth).any() else max(1.0, temperature)


def _uncertain_temperature(calibration: Calibration, counts: Indices) -> list[str]:
    if counts.min() >= FEW_CELLS:
        return []
    return [
        f"the temperature {calibration.temperature:.2f} is uncertain: a class has only {counts.min()} calibration cells"
    ]


def _limit(scores: Floats, subjects: NDArray[np.object_], rate: float, options: ReferralOptions) -> ControlledLimit:
    _, of_cell = np.unique(subjects.astype(str), return_inverse=True)
    if options.method == "normal_model":
        return fit_normal_model(scores, of_cell, rate, options.confidence)
    return control_risk(scores, of_cell, rate, kind=options.promise, confidence=options.confidence)


def _tightened(limit: float) -> float:
    """Return a limit (0-1) lowered by MARGIN in log odds, and at most 0.5."""
    score = min(max(limit, 0.0), 1.0)
    return min(0.5, score / (score + (1 - score) * math.exp(MARGIN)))


def _are_probabilities(probabilities: NDArray[np.float32]) -> bool:
    """Whether every cell has at least one stream, and every score of a stream that was run is in 0-1."""
    skipped = np.isnan(probabilities)
    return bool((skipped | ((probabilities >= 0) & (probabilities <= 1))).all() and not skipped.all(axis=(0, 2)).any())


def _is_known(name: object) -> bool:
    return name is not None and name == name
