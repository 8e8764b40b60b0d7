"""What a report is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.data import DataSummary
from lymphoscope.evaluation import Metrics
from lymphoscope.reports.plotting import attention_overlay
from lymphoscope.vocabulary import STREAMS, class_title

if TYPE_CHECKING:
    from lymphoscope.inference import Explanation
    from lymphoscope.model_file import Description

_MANY_CLASSES = 5


@dataclass(frozen=True)
class Mistake:
    """A cell whose prediction differs from its label, with what each stream saw and predicted.

    `score` is the mean softmax of the predicted class. `images` holds those of raw, attention, crop and erase that are
    available, (S, S, 3) uint8 RGB; `probabilities` the softmax (0-1) by stream and class.
    """

    path: str
    subject: str | None
    label: str
    predicted: str
    score: float
    images: Mapping[str, NDArray[np.uint8]]
    probabilities: Mapping[str, Mapping[str, float]]


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


def mistake_of(row: "Mapping[str, Any] | pd.Series[Any]", explanation: "Explanation") -> Mistake:
    """Make a mistake to show from a row of the predictions and the explanation of its cell.

    It has no images if the cell can no longer be read.
    """
    predicted = str(row["predicted"])
    return Mistake(
        path=str(row["path"]),
        subject=None if pd.isna(row["subject"]) else str(row["subject"]),
        label=str(row["label"]),
        predicted=predicted,
        score=float(row[f"score_{predicted}"]),
        images=_images(explanation),
        probabilities=stream_probabilities(row),
    )


def stream_probabilities(row: "Mapping[str, Any] | pd.Series[Any]") -> dict[str, dict[str, float]]:
    """The softmax by stream and class from a row of the predictions; only streams that were run."""
    classes = [str(name).removeprefix("score_") for name in row.keys() if str(name).startswith("score_")]  # noqa: SIM118
    ran = [stream for stream in STREAMS if pd.notna(row.get(f"{stream}_vote"))]
    return {stream: {name: float(row[f"{stream}_{name}"]) for name in classes} for stream in ran}


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
