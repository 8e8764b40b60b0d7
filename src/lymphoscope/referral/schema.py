"""The parts of `model.json` that are fitted on inner subjects: what a score is worth, and when a person must look."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from lymphoscope.vocabulary import StrictModel

Signal = Literal["feature_distance", "blur", "cut_off", "exposure", "colour"]
SIGNALS: tuple[Signal, ...] = get_args(Signal)


class Calibration(StrictModel):
    """`score_<class>` is softmax(log(mean softmax) / `temperature`); `how` says on which cells it was fitted."""

    temperature: float = Field(gt=0)
    cells: int
    subjects: int
    how: str


class Referral(StrictModel):
    """Between which calibrated blast scores (0-1) a person must look; the fields of evaluation's ReferralBand.

    Where a side cannot be promised, `low` is 0 (or `high` 1) and the reason says why; with `refers` off the band is
    kept on record and sends no cell to a person.
    """

    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    miss_rate: float
    false_alarm_rate: float
    confidence: float
    blasts: int
    normals: int
    low_reason: str | None = None
    high_reason: str | None = None
    subjects: int
    how: str
    refers: bool = True


class Range(StrictModel):
    """What is usual of a number: its middle, and the limits that the stated share of the cells keep."""

    low: float
    middle: float
    high: float


class Colour(StrictModel):
    """Stain: the mean of (log R/G, log B/G) of the training cells, its precision (2, 2), and the usual distance."""

    centre: tuple[float, float]
    precision: tuple[tuple[float, float], tuple[float, float]]
    limit: float = Field(gt=0)


@dataclass(frozen=True, eq=False)
class FeatureArrays:
    """The training cells in the space of the network's pooled features, from `ood_reference.safetensors`."""

    centre: NDArray[np.float32]
    """(C,) their mean."""
    axes: NDArray[np.float32]
    """(C, P) features less the centre, times these, have about unit variance in every direction."""


class OodReference(StrictModel):
    """What the cells that the model knows look like, so that it can say that a cell does not.

    `feature_distance` is the usual distance in feature space (arrays in `ood_reference.safetensors`, of SHA-256
    `arrays_sha256`), `sharpness`, `brightness`, `touching` and `colour` are of the fitted cell's pixels (data/quality).
    At most 1 - `share` of `cells` cells lie beyond each limit. `refers` names the signals that send a cell to a person.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    share: float = Field(gt=0, lt=1)
    cells: int
    subjects: int
    feature_distance: float | None
    feature_distance_cells: int
    feature_distance_subjects: int
    sharpness: Range
    brightness: Range
    touching: float = Field(gt=0)
    colour: Colour
    how: str
    refers: tuple[Signal, ...] = SIGNALS
    arrays_sha256: str = ""
    arrays: SkipJsonSchema[FeatureArrays | None] = Field(default=None, exclude=True, repr=False)
