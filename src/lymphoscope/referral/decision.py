"""When a person must look, and why: fixed phrases, so that they can be counted."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lymphoscope.data.quality import ImageStatistics
from lymphoscope.method.numpy import StreamOutputs
from lymphoscope.model_file import Description, Thresholds
from lymphoscope.referral import SIGNALS
from lymphoscope.referral.ood import overexposed

UNREADABLE = "unreadable"
STREAMS_DISAGREE = "streams disagree"
VOTE_AND_SCORE = "vote and score disagree"
UNCERTAIN = "score in the uncertain band"
NOT_PROMISED = "too few inner subjects to sign off"
"""The score lies on a side of the band for which the inner subjects could promise no rate (`referral.low_reason`)."""
SIGNAL_REASONS = {
    "feature_distance": "unlike the training cells",
    "blur": "out of focus",
    "cut_off": "cut off",
    "colour": "colour never seen",
}
OVER_EXPOSED, UNDER_EXPOSED = "over-exposed", "under-exposed"

Cells = NDArray[np.bool_]


def refer_reasons(
    outputs: StreamOutputs,
    scores: NDArray[np.float64],
    doubts: Mapping[str, NDArray[np.float64]],
    statistics: Sequence[ImageStatistics],
    description: Description,
) -> list[list[str]]:
    """Why a person must look at each of B cells; empty where nobody need.

    `scores` (B, K) are the calibrated ones, `doubts` signal -> (B,). Agreement counts to two decimals, as shown.
    """
    found = {
        **_of_vote(outputs, scores, description.thresholds),
        **_of_band(scores, description),
        **_of_signals(doubts, statistics, description),
    }
    return [[reason for reason, cells in found.items() if cells[place]] for place in range(len(scores))]


def _of_vote(outputs: StreamOutputs, scores: NDArray[np.float64], limits: Thresholds) -> dict[str, Cells]:
    called = scores[np.arange(len(scores)), outputs.labels]
    agreement = np.round(outputs.agreement.astype(np.float64), 2)
    low, against = called < limits.minimum_score, called < scores.max(axis=1)
    return {
        STREAMS_DISAGREE: agreement < limits.minimum_agreement,
        VOTE_AND_SCORE: low & against,
        f"score below {limits.minimum_score:g}": low & ~against,
    }


def _of_band(scores: NDArray[np.float64], description: Description) -> dict[str, Cells]:
    band = description.referral
    if band is None or not band.refers or description.blast_class is None:
        return {}
    blast = scores[:, description.classes.index(description.blast_class)]
    inside = ~((blast < band.low) | (blast > band.high))  # what is no number is inside
    unpromised = inside & np.where(blast < 0.5, band.low_reason is not None, band.high_reason is not None)
    return {UNCERTAIN: inside & ~unpromised, NOT_PROMISED: unpromised}


def _of_signals(
    doubts: Mapping[str, NDArray[np.float64]], statistics: Sequence[ImageStatistics], description: Description
) -> dict[str, Cells]:
    known = description.ood_reference
    if known is None or not doubts:
        return {}
    over = overexposed(known, statistics)
    found: dict[str, Cells] = {}
    for signal in SIGNALS:
        beyond = (doubts[signal] > 1) & (signal in known.refers)
        if signal == "exposure":
            found |= {OVER_EXPOSED: beyond & over, UNDER_EXPOSED: beyond & ~over}
        else:
            found[SIGNAL_REASONS[signal]] = beyond
    return found
