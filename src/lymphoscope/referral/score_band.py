"""The band of blast scores that a person reviews."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from lymphoscope.strict_model import StrictModel


class ScoreBand(StrictModel):
    """A cell with a calibrated blast score (0-1) in [low, high] is referred to a person.

    Below `low` a cell may be signed off as normal, above `high` as a blast. No cell is signed off against its score:
    `low` is at most 0.5 and `high` at least 0.5. Where the calibration subjects cannot support the stated rate, `low`
    is 0 (or `high` is 1), so that nothing is signed off on that side, and the reason says how many subjects would be
    needed.
    """

    low: float = Field(ge=0, le=1, description="Blast scores below this may be signed off as normal.")
    high: float = Field(ge=0, le=1, description="Blast scores above this may be signed off as blasts.")
    miss_rate: float = Field(description="Stated maximum share of blasts that are signed off as normal.")
    false_alarm_rate: float = Field(description="Stated maximum share of normal cells that are signed off as blasts.")
    confidence: float = Field(description="Confidence with which the rates hold in another group of subjects.")
    blasts: int = Field(description="Number of blasts that it was fitted on.")
    normals: int = Field(description="Number of normal cells that it was fitted on.")
    subjects: int = Field(description="Number of subjects of these cells.")
    low_reason: str | None = Field(default=None, description="Why nothing is signed off as normal, if so.")
    high_reason: str | None = Field(default=None, description="Why nothing is signed off as a blast, if so.")
    how: str = Field(default="", description="Which cells it was fitted on, in words.")

    def refers(self, blast_scores: ArrayLike) -> NDArray[np.bool_]:
        """Return which blast scores (N,) are referred to a person; NaN is."""
        scores = np.asarray(blast_scores, dtype=np.float64)
        return np.asarray(~((scores < self.low) | (scores > self.high)))

    def lacks_support(self, blast_scores: ArrayLike) -> NDArray[np.bool_]:
        """Return which blast scores (N,) are referred because their side of 0.5 cannot be signed off at all."""
        scores = np.asarray(blast_scores, dtype=np.float64)
        unsupported = np.where(scores < 0.5, self.low_reason is not None, self.high_reason is not None)
        return self.refers(scores) & unsupported
