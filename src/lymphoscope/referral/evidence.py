"""What a referral compares: the evidence on cells, and the limits that a model sets for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lymphoscope.referral.ood import OodReference
from lymphoscope.referral.score_band import ScoreBand
from lymphoscope.strict_model import StrictModel
from lymphoscope.vocabulary import OodSignal

Flags = NDArray[np.bool_]
"""(B,) which cells of a batch."""


@dataclass(frozen=True)
class CellEvidence:
    """What the referral of B cells depends on."""

    labels: NDArray[np.int64]
    """(B,) index of the predicted class."""
    agreement: NDArray[np.float32]
    """(B,) share of the streams that predicted it."""
    scores: NDArray[np.float64]
    """(B, K) calibrated scores, 0-1."""
    positive_index: int | None = None
    """Index of the blast class; None for a model without one."""
    blast_scores: NDArray[np.float64] | None = None
    """(B,) mean softmax of the blast class, not calibrated; needed for a model with a score band."""
    ood: Mapping[OodSignal, NDArray[np.float64]] = field(default_factory=dict)
    """Signal -> (B,) OOD scores, 1 being the limit; empty for a model without an OOD reference."""
    overexposed: Flags = field(default_factory=lambda: np.zeros(0, dtype=bool))
    """(B,) whether a cell's exposure score is one of too much light; needed with `ood`."""

    @cached_property
    def predicted_scores(self) -> NDArray[np.float64]:
        """(B,) the calibrated score of the predicted class."""
        return np.asarray(self.scores[np.arange(len(self.scores)), self.labels])

    @property
    def predicted_blast(self) -> Flags:
        """(B,) whether the predicted class is the blast class."""
        return np.asarray(self.labels == self.positive_index)

    @property
    def none(self) -> Flags:
        """(B,) False for every cell."""
        return np.zeros(len(self.scores), dtype=bool)


class ReferralLimits(StrictModel):
    """The limits beyond which a cell is referred."""

    minimum_agreement: float = Field(
        default=1.0, ge=0, le=1, description="Refer a cell if a smaller share of the streams predicted its class."
    )
    minimum_score: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Refer a cell if the score of its predicted class is lower. With two classes a score below 0.5 "
        "means that the vote and the mean score disagree.",
    )
    band: ScoreBand | None = Field(default=None, description="Band of blast scores that are referred.")
    ood_reference: OodReference | None = Field(default=None, description="What the training cells look like.")
