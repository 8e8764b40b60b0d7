"""What a report is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from lymphoscope.data import DataSummary
from lymphoscope.evaluation import Metrics
from lymphoscope.reports.plotting import attention_overlay
from lymphoscope.strict_model import StrictModel
from lymphoscope.vocabulary import SCORE_PREFIX, STREAMS, TEXT_COLUMNS, class_title, score_column

if TYPE_CHECKING:
    from lymphoscope.inference import Explanation
    from lymphoscope.model_file import Description

_MANY_CLASSES = 5


class PredictedCell(StrictModel):
    """A row of the predictions of a cell that could be read."""

    path: str = Field(description="The file.")
    subject: str | None = Field(default=None, description="The person, if known.")
    label: str | None = Field(default=None, description="The given class, if any.")
    predicted: str = Field(description="The predicted class.")
    scores: dict[str, float] = Field(description="Class -> score (0-1).")
    streams: dict[str, dict[str, float]] = Field(description="Stream that was run -> class -> softmax (0-1).")
    agreement: float | None = Field(default=None, description="The share of the streams that predict the class.")
    refer: bool = Field(default=False, description="Whether a person should check the cell.")
    refer_reason: str | None = Field(default=None, description="Why.")

    @property
    def score(self) -> float:
        """The score of the predicted class."""
        return self.scores[self.predicted]

    @classmethod
    def of_row(cls, row: Mapping[str, object]) -> "PredictedCell":
        """Make it from a row of the predictions table, whose missing values are absent, None or NaN."""
        known = {key: value for key, value in row.items() if not (value is None or value is pd.NA or value != value)}
        classes = [key.removeprefix(SCORE_PREFIX) for key in known if key.startswith(SCORE_PREFIX)]
        ran = [stream for stream in STREAMS if f"{stream}_vote" in known]
        values = {name: known[name] for name in cls.model_fields if name in known}
        return cls.model_validate(
            {name: str(value) if name in TEXT_COLUMNS else value for name, value in values.items()}
            | {
                "scores": {name: known[score_column(name)] for name in classes},
                "streams": {stream: {name: known[f"{stream}_{name}"] for name in classes} for stream in ran},
            }
        )


@dataclass(frozen=True)
class Mistake:
    """A cell whose prediction differs from its label, with what each stream saw.

    `images` holds those of raw, attention, crop and erase that are available, (S, S, 3) uint8 RGB.
    """

    cell: PredictedCell
    images: Mapping[str, NDArray[np.uint8]]


@dataclass(frozen=True)
class ReportContents:
    """Everything that `write_report` shows.

    `curves` is the content of metrics.csv (the training curves). `mistakes` come in the order in which they are shown.
    `parameters` is the number of the network's parameters. `thumbnails` are images (H, W, 3) uint8 RGB of some cells
    with a possible label error, by path.
    """

    title: str
    metrics: Metrics
    predictions: pd.DataFrame
    description: "Description | None"
    curves: pd.DataFrame | None
    data: DataSummary
    mistakes: Sequence[Mistake]
    command: str
    commit: str | None
    device: str
    date: str
    parameters: int | None = None
    thumbnails: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)

    def class_title(self, name: str) -> str:
        """A class in words: `all` is "lymphoblast"."""
        return self.description.title(name) if self.description else class_title(name)

    def class_name(self, name: str) -> str:
        """A class by its name in the data, with its title: "all (lymphoblast)"."""
        title = self.class_title(name)
        return name if title.casefold() == name.casefold() else f"{name} ({title})"

    @property
    def blast_name(self) -> str | None:
        """The blast class by name and title; None without one."""
        blast = self.metrics.blast_class
        return None if blast is None else self.class_name(blast)

    @property
    def has_many_classes(self) -> bool:
        """Whether figures with one mark per class need the full width of the page."""
        return len(self.metrics.classes) >= _MANY_CLASSES

    @property
    def is_scored(self) -> bool:
        """Whether any cell had both a label and a prediction."""
        return self.metrics.evaluated > 0


def mistake_of(cell: PredictedCell, explanation: "Explanation") -> Mistake:
    """Make a mistake to show; it has no images if the cell can no longer be read."""
    return Mistake(cell, _images(explanation))


def _images(explanation: "Explanation") -> dict[str, NDArray[np.uint8]]:
    if explanation.streams is None:
        return {}
    streams = explanation.streams
    return {
        "raw": streams.raw,
        "attention": attention_overlay(streams.raw, streams.attention),
        "crop": streams.crop,
        "erase": streams.erase,
    }
