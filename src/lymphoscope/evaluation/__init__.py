"""Predictions -> numbers with intervals; knows no network."""

from lymphoscope.evaluation.predictions import (
    BOX,
    STREAMS,
    as_predictions,
    check_predictions,
    classes_of,
    columns,
    read_predictions,
    write_predictions,
)

__all__ = [
    "BOX",
    "STREAMS",
    "as_predictions",
    "check_predictions",
    "classes_of",
    "columns",
    "read_predictions",
    "write_predictions",
]
