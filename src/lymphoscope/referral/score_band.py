"""The band of blast scores that a person reviews, and what it promises."""

import math
from collections.abc import Mapping
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from lymphoscope.strict_model import StrictModel
from lymphoscope.vocabulary import Precision

BandMethod = Literal["risk_control", "normal_model"]
"""How the band is fitted: by risk control over subjects, or under a one-factor normal model of the scores."""

PromiseKind = Literal["average", "confidence"]
"""On average over studies, or with stated confidence that the rate is kept after this study."""

MARGIN: Final = 0.01
"""The limits are tightened by this much in log odds; runtimes whose scores differ by less keep the promise."""
MAX_DIFFERENCE: Final = MARGIN / 4
"""The same as a difference of scores near 0.5."""


class Promise(StrictModel):
    """What one side of the band promises about the cells that it signs off."""

    stated: float = Field(gt=0, lt=1, allow_inf_nan=False, description="Rate that the recipe asked for.")
    rate: float | None = Field(
        gt=0, le=1, allow_inf_nan=False, description="Rate that holds; null if nothing is signed off on this side."
    )
    subjects: int = Field(ge=0, description="Number of calibration subjects with cells of this class.")
    cells: int = Field(ge=0, description="Number of their cells of this class.")
    needed: int | None = Field(
        default=None, description="Number of subjects that the stated rate would need, if there are too few."
    )


class ScoreBand(StrictModel):
    """Cells with a blast score in [low, high] are referred to a person.

    The blast score is the mean softmax of the streams before calibration, so that the band does not depend on the
    temperature. Below `low` a cell that is not predicted a blast is signed off as normal; above `high` a cell that is
    predicted a blast is signed off as one. `low` is at most 0.5 and `high` at least 0.5.
    """

    low: float = Field(ge=0, le=0.5, description="Blast scores below this are signed off as normal.")
    high: float = Field(ge=0.5, le=1, description="Blast scores above this are signed off as blasts.")
    method: BandMethod = Field(description="Risk control over subjects, or a normal model of the scores.")
    kind: PromiseKind = Field(description="Promise on average, or with `confidence`.")
    confidence: float = Field(default=0.95, gt=0, lt=1, description="Confidence of a promise of that kind.")
    miss: Promise = Field(description="Share of a new subject's blasts that are signed off as normal.")
    false_alarm: Promise = Field(description="Share of a new subject's normal cells that are signed off as blasts.")
    precision: Precision = Field(default="float32", description="Precision of the scores that it was fitted on.")
    estimate: str | None = Field(default=None, description="Why the rates are estimates and not promises, if so.")
    how: str = Field(default="", description="Which cells it was fitted on, in words.")

    @model_validator(mode="after")
    def _nothing_without_a_promise(self) -> Self:
        if self.miss.rate is None and self.low > 0:
            raise ValueError("low must be 0 where no rate of missed blasts holds")
        if self.false_alarm.rate is None and self.high < 1:
            raise ValueError("high must be 1 where no rate of false alarms holds")
        return self

    def refers(self, blast_scores: ArrayLike, predicted_blast: ArrayLike | None = None) -> NDArray[np.bool_]:
        """Return which of N cells are referred to a person, from blast scores (N,) and predictions (N,).

        A cell is signed off only if its score is beyond the limit on the side of its prediction; NaN never is. Without
        predictions each cell is taken to be predicted by its score.
        """
        scores = np.asarray(blast_scores, dtype=np.float64)
        blast = scores > 0.5 if predicted_blast is None else np.asarray(predicted_blast, dtype=bool)
        return np.asarray(~np.where(blast, scores > self.high, scores < self.low))

    def lacks_promise(self, blast_scores: ArrayLike) -> NDArray[np.bool_]:
        """Return which blast scores (N,) are on a side where nothing is signed off for lack of calibration subjects."""
        scores = np.asarray(blast_scores, dtype=np.float64)
        return np.where(scores < 0.5, self.miss.rate is None, self.false_alarm.rate is None)

    def sentences(self) -> list[str]:
        """Return what the band promises, one sentence per side, after a first one if these are only estimates."""
        sides = [
            self._sentence(self.miss, "blasts", "normal", "normal", signs_off=self.low > 0),
            self._sentence(self.false_alarm, "normal cells", "blasts", "a blast", signs_off=self.high < 1),
        ]
        if self.estimate is None or not self._promises_something:
            return sides
        return [f"Estimates, not promises: {self.estimate}.", *sides]

    def _sentence(self, promise: Promise, cells: str, many: str, one: str, *, signs_off: bool) -> str:
        basis = f"{promise.subjects} subject{'' if promise.subjects == 1 else 's'} with {cells}"
        needed = "" if promise.needed is None else f"; {percent(promise.stated)} would need {promise.needed}"
        if promise.rate is None:
            only = "there is only" if promise.subjects == 1 else "there are only"
            return f"No cell is signed off as {one}: {only} {basis}{needed}."
        if not signs_off:
            return f"No cell is signed off as {one}: no limit of the score keeps {percent(promise.rate)} ({basis})."
        return (
            f"At most {percent(promise.rate)} of {self._whose} {cells} are signed off as {many} {self._certainty}, "
            f"from {basis}{needed}."
        )

    @property
    def _promises_something(self) -> bool:
        return self.miss.rate is not None or self.false_alarm.rate is not None

    @property
    def _whose(self) -> str:
        return "a new subject's" if self.method == "risk_control" else "the"

    @property
    def _certainty(self) -> str:
        if self.method == "normal_model":
            return f"in another group of subjects, with {percent(self.confidence)} confidence under a normal model"
        return "on average" if self.kind == "average" else f"on average, with {percent(self.confidence)} confidence"

    def void_reason(self, options: Mapping[str, str], score_difference: float = 0.0) -> str | None:
        """Return why the promise does not apply to predictions made with these runtime options; None where it does.

        None, too, where nothing is promised. The erase policy does not matter: the band is fitted on the less
        favourable of both policies for each cell. `score_difference` is the largest difference of a score from torch in
        float32 that an export's parity check measured.
        """
        precision = options.get("precision", self.precision)
        if not self._promises_something:
            return None
        if precision != self.precision:
            return f"it was fitted on scores in {self.precision}, and these were computed in {precision}"
        if not score_difference <= MAX_DIFFERENCE:
            return f"this runtime's scores differ from the fitted ones by up to {score_difference:.2g}"
        return None


def percent(rate: float) -> str:
    """Return a rate as a percentage with two significant digits, rounded up."""
    digits = 1 - math.floor(math.log10(rate)) if rate > 0 else 2
    return f"{100 * math.ceil(rate * 10**digits - 1e-6) / 10**digits:g} %"
