"""What a runtime gives for a batch -> rows of the predictions table (docs/reference/)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from lymphoscope.data.geometry import to_file_pixels
from lymphoscope.inference.inputs import Cell, ReadCell
from lymphoscope.method.numpy import StreamOutputs
from lymphoscope.model_file import Description
from lymphoscope.referral import UNREADABLE, CellEvidence, calibrated, ood_columns, ood_scores, overexposed
from lymphoscope.vocabulary import (
    BOX_COLUMNS,
    OOD_PREFIX,
    REASON_SEPARATOR,
    STREAMS,
    TEXT_COLUMNS,
    OodSignal,
    prediction_columns,
)

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
"""A row of the predictions table; what is not known has no key."""


@dataclass(frozen=True)
class _Told:
    """What is said of the readable cells of a batch: calibrated scores (B, K), OOD scores and reasons."""

    scores: NDArray[np.float32]
    ood: dict[OodSignal, NDArray[np.float64]]
    reasons: list[list[str]]


def columns_of(description: Description) -> list[str]:
    """The columns of a model's predictions. Raises LymphoscopeError as `columns` does."""
    return [*prediction_columns(description.classes), *ood_columns(description.referral.ood_reference)]


def prediction_schema(names: Sequence[str]) -> "pa.Schema":
    """The columns of these names and their types."""
    import pyarrow as pa

    types = {"text": pa.string(), "whole": pa.int64(), "truth": pa.bool_(), "number": pa.float64()}
    return pa.schema([(name, types[kind_of(name)]) for name in names])


def kind_of(column: str) -> Literal["text", "whole", "truth", "number"]:
    """What a column of the predictions holds."""
    if column in TEXT_COLUMNS:
        return "text"
    if column in BOX_COLUMNS:
        return "whole"
    return "truth" if column == "refer" else "number"


def prediction_rows(
    cells: Sequence[Cell], read: Sequence[ReadCell], outputs: StreamOutputs | None, description: Description
) -> list[Row]:
    """One row a cell, in their order; `outputs` holds the readable ones alone, None where there is none of them."""
    rows, place = [], 0
    told = None if outputs is None else _told(read, outputs, description)
    unknown = dict.fromkeys(ood_columns(description.referral.ood_reference))
    for cell, seen in zip(cells, read, strict=True):
        row = {**cell._asdict(), "path": cell.printable_path}
        if outputs is None or told is None or seen.pixels is None:
            row |= {**unknown, "refer": True, "refer_reason": UNREADABLE, "error": seen.error}
        else:
            row |= _predicted(outputs, told, place, description) | _box(outputs, place, seen, description)
            place += 1
        rows.append(row)
    return rows


def _told(read: Sequence[ReadCell], outputs: StreamOutputs, description: Description) -> _Told:
    scores = calibrated_scores(outputs.scores, description)
    measured = [seen.statistics for seen in read if seen.statistics is not None]
    reference = description.referral.ood_reference
    evidence = CellEvidence(
        labels=outputs.labels,
        agreement=outputs.agreement,
        scores=scores.astype(np.float64),  # what is compared is what is shown
        positive_index=description.positive_index,
        ood=ood_scores(reference, measured, outputs.features),
        overexposed=overexposed(reference, measured),
    )
    return _Told(scores, dict(evidence.ood), description.referral.reasons(evidence))


def calibrated_scores(scores: NDArray[np.float32], description: Description) -> NDArray[np.float32]:
    """Mean softmax (B, K) -> `score_<class>`; the same where the model is not calibrated."""
    if description.calibration is None:
        return scores
    return calibrated(scores.astype(np.float64), description.calibration.temperature).astype(np.float32)


def _predicted(outputs: StreamOutputs, told: _Told, place: int, description: Description) -> Row:
    classes, reasons = description.classes, told.reasons[place]
    return {
        "predicted": classes[int(outputs.labels[place])],
        **_by_class("score", _shortest(told.scores[place]), classes),
        **_streams(outputs.probabilities[:, place], outputs.votes[:, place], classes),
        "agreement": round(float(outputs.agreement[place]), 2),
        "refer": bool(reasons),
        "refer_reason": REASON_SEPARATOR.join(reasons) or None,
        **{f"{OOD_PREFIX}{signal}": float(values[place]) for signal, values in told.ood.items()},
    }


def _streams(probabilities: NDArray[np.float32], votes: NDArray[np.int64], classes: Sequence[str]) -> Row:
    row: Row = {}
    for stream, values, vote in zip(STREAMS, probabilities, votes, strict=True):
        if vote >= 0:
            row |= {**_by_class(stream, _shortest(values), classes), f"{stream}_vote": classes[vote]}
    return row


def _by_class(name: str, values: Sequence[float], classes: Sequence[str]) -> Row:
    return {f"{name}_{label}": value for label, value in zip(classes, values, strict=True)}


def _shortest(values: NDArray[np.float32]) -> list[float]:
    # 0.9 and not 0.8999999761581421: the shortest number that rounds to the same float32
    return [float(str(value)) for value in values]


def _box(outputs: StreamOutputs, place: int, seen: ReadCell, description: Description) -> Row:
    if outputs.boxes is None:
        return {}
    fit = description.preprocessing.geometry()
    box = to_file_pixels(outputs.boxes[place : place + 1], seen.width, seen.height, fit)[0]
    return dict(zip(BOX_COLUMNS, box.tolist(), strict=True))
