"""The outputs of a runtime for a batch -> rows of the predictions table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from lymphoscope.data.geometry import to_file_pixels
from lymphoscope.inference.inputs import CELL_COLUMNS, Cell, ReadCell
from lymphoscope.method.numpy import StreamOutputs
from lymphoscope.model_file import Description
from lymphoscope.referral import UNREADABLE, CellEvidence, calibrated, ood_columns, ood_scores, overexposed
from lymphoscope.vocabulary import (
    BOX_COLUMNS,
    MODEL_ID_COLUMN,
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
"""A row of the predictions table. A missing key is an empty value."""

FEATURES_KEY = "features"
"""Key of a row, on request, and no column of the table: the features (C,) of its cell as an array."""


@dataclass(frozen=True)
class _Batch:
    """Outputs, scores and referral reasons of the readable cells of a batch."""

    outputs: StreamOutputs
    scores: NDArray[np.float32]
    """(B, K) calibrated scores."""
    ood_scores: Mapping[OodSignal, NDArray[np.float64]]
    """Signal -> (B,) out-of-distribution scores."""
    reasons: list[list[str]]
    """The referral reasons of each cell."""


def columns_of(description: Description) -> list[str]:
    """Return the columns of a model's predictions. Raises LymphoscopeError as `prediction_columns` does."""
    return [
        *prediction_columns(description.classes),
        *ood_columns(description.referral.ood_reference),
        MODEL_ID_COLUMN,
    ]


def prediction_schema(columns: Sequence[str]) -> "pa.Schema":
    """Return the Parquet schema of these columns."""
    import pyarrow as pa

    types = {"text": pa.string(), "integer": pa.int64(), "boolean": pa.bool_(), "number": pa.float64()}
    return pa.schema([(name, types[column_type(name)]) for name in columns])


def column_type(column: str) -> Literal["text", "integer", "boolean", "number"]:
    """Return the type of a column of the predictions."""
    if column in TEXT_COLUMNS:
        return "text"
    if column in BOX_COLUMNS:
        return "integer"
    return "boolean" if column == "refer" else "number"


def prediction_rows(
    cells: Sequence[Cell],
    read: Sequence[ReadCell],
    outputs: StreamOutputs | None,
    description: Description,
    *,
    features: bool = False,
) -> list[Row]:
    """Return one row per cell, in order; `outputs` are those of the readable cells, None if there are none.

    With `features`, a row has those of its cell under `FEATURES_KEY`, if the runtime returns them.
    """
    rows, index = [], 0
    batch = None if outputs is None else _batch(read, outputs, description)
    model_id = description.model_id
    no_ood_scores = dict.fromkeys(ood_columns(description.referral.ood_reference))
    for cell, image in zip(cells, read, strict=True):
        row: Row = {name: getattr(cell, name) for name in CELL_COLUMNS}
        row |= {"path": cell.printable_path, **no_ood_scores}
        if batch is None or image.pixels is None:
            row |= {"refer": True, "refer_reason": UNREADABLE, "error": image.error}
        else:
            row |= _predicted(batch, index, description) | _box(batch.outputs, index, image, description)
            if features and batch.outputs.features is not None:
                row[FEATURES_KEY] = batch.outputs.features[index]
            index += 1
        rows.append({**row, MODEL_ID_COLUMN: model_id})  # in the order of columns_of
    return rows


def calibrated_scores(scores: NDArray[np.float32], description: Description) -> NDArray[np.float32]:
    """Mean softmax (B, K) -> calibrated scores; unchanged if the model is not calibrated."""
    if description.calibration is None:
        return scores
    return calibrated(scores.astype(np.float64), description.calibration.temperature).astype(np.float32)


def _batch(read: Sequence[ReadCell], outputs: StreamOutputs, description: Description) -> _Batch:
    scores = calibrated_scores(outputs.scores, description)
    statistics = [image.statistics for image in read if image.statistics is not None]
    reference = description.referral.ood_reference
    evidence = CellEvidence(
        labels=outputs.labels,
        agreement=outputs.agreement,
        scores=scores.astype(np.float64),  # thresholds are compared with the scores that the table shows
        positive_index=description.positive_index,
        blast_scores=_blast_scores(outputs, description.positive_index),
        ood=ood_scores(reference, statistics, outputs.features),
        overexposed=overexposed(reference, statistics),
    )
    return _Batch(outputs, scores, evidence.ood, description.referral.reasons(evidence))


def _blast_scores(outputs: StreamOutputs, positive_index: int | None) -> NDArray[np.float64] | None:
    return None if positive_index is None else outputs.scores[:, positive_index].astype(np.float64)


def _predicted(batch: _Batch, index: int, description: Description) -> Row:
    classes, outputs, reasons = description.classes, batch.outputs, batch.reasons[index]
    return {
        "predicted": classes[int(outputs.labels[index])],
        **_by_class("score", _shortest(batch.scores[index]), classes),
        **_stream_values(outputs.probabilities[:, index], outputs.votes[:, index], classes),
        "agreement": round(float(outputs.agreement[index]), 2),
        "refer": bool(reasons),
        "refer_reason": REASON_SEPARATOR.join(reasons) or None,
        **{f"{OOD_PREFIX}{signal}": float(values[index]) for signal, values in batch.ood_scores.items()},
    }


def _stream_values(probabilities: NDArray[np.float32], votes: NDArray[np.int64], classes: Sequence[str]) -> Row:
    row: Row = {}
    for stream, values, vote in zip(STREAMS, probabilities, votes, strict=True):
        if vote >= 0:
            row |= {**_by_class(stream, _shortest(values), classes), f"{stream}_vote": classes[vote]}
    return row


def _by_class(prefix: str, values: Sequence[float], classes: Sequence[str]) -> Row:
    return {f"{prefix}_{name}": value for name, value in zip(classes, values, strict=True)}


def _shortest(values: NDArray[np.float32]) -> list[float]:
    # The shortest decimal number that rounds to the same float32: 0.9, not 0.8999999761581421.
    return [float(str(value)) for value in values]


def _box(outputs: StreamOutputs, index: int, image: ReadCell, description: Description) -> Row:
    if outputs.boxes is None:
        return {}
    geometry = description.preprocessing.geometry()
    box = to_file_pixels(outputs.boxes[index : index + 1], image.width, image.height, geometry)[0]
    return dict(zip(BOX_COLUMNS, box.tolist(), strict=True))
