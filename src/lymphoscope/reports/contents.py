"""What a report is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.inference import Explanation
from lymphoscope.model_file import Description
from lymphoscope.reports.overlay import attention_overlay
from lymphoscope.vocabulary import STREAMS


@dataclass(frozen=True)
class Mistake:
    """A cell that was called otherwise than labelled, and what the streams saw of it.

    `score` is the mean softmax of the class that was called. `pictures` holds what there is of raw, attention, crop
    and erase, (S, S, 3) uint8 RGB; `probabilities` the softmax 0-1 by stream and class.
    """

    path: str
    subject: str | None
    label: str
    predicted: str
    score: float
    pictures: Mapping[str, NDArray[np.uint8]]
    probabilities: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class ReportContents:
    """All that `write_report` shows.

    `metrics` is the content of metrics.json (`evaluate_predictions`), `curves` of metrics.csv, `data` what
    `data_summary` gives. `mistakes` come in the order in which they are shown. `parameters` counts the network's.
    `thumbnails` are pictures (H, W, 3) uint8 of some cells with doubtful labels, by path.
    """

    title: str
    metrics: Mapping[str, Any]
    predictions: pd.DataFrame
    description: Description | None
    curves: pd.DataFrame | None
    data: Mapping[str, Any]
    mistakes: Sequence[Mistake]
    command: str
    commit: str | None
    device: str
    date: str
    parameters: int | None = None
    thumbnails: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)


def mistake_of(row: "Mapping[str, Any] | pd.Series[Any]", seen: Explanation) -> Mistake:
    """A row of the predictions and the explanation of its cell -> a mistake to show.

    The pictures are none where the cell can no longer be read.
    """
    called = str(row["predicted"])
    return Mistake(
        path=str(row["path"]),
        subject=None if pd.isna(row["subject"]) else str(row["subject"]),
        label=str(row["label"]),
        predicted=called,
        score=float(row[f"score_{called}"]),
        pictures=_pictures(seen),
        probabilities=stream_probabilities(row),
    )


def stream_probabilities(row: "Mapping[str, Any] | pd.Series[Any]") -> dict[str, dict[str, float]]:
    """The softmax of each stream that was run, by class, from a row of the predictions."""
    classes = [str(name).removeprefix("score_") for name in row.keys() if str(name).startswith("score_")]  # noqa: SIM118
    ran = [stream for stream in STREAMS if pd.notna(row.get(f"{stream}_vote"))]
    return {stream: {name: float(row[f"{stream}_{name}"]) for name in classes} for stream in ran}


def _pictures(seen: Explanation) -> dict[str, NDArray[np.uint8]]:
    if seen.pictures is None:
        return {}
    attention = attention_overlay(seen.pictures.raw, seen.pictures.attention)
    return {
        "raw": seen.pictures.raw,
        "attention": attention,
        "crop": seen.pictures.crop,
        "erase": seen.pictures.erase,
    }
