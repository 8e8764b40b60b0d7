"""Predictions -> numbers with intervals; knows no network."""

from lymphoscope.evaluation.metrics import METRICS
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
from lymphoscope.evaluation.roc import RocCurve
from lymphoscope.evaluation.summary import evaluate_predictions, roc_of_predictions

__all__ = [
    "BOX",
    "METRICS",
    "STREAMS",
    "RocCurve",
    "as_predictions",
    "check_predictions",
    "classes_of",
    "columns",
    "evaluate_predictions",
    "read_predictions",
    "roc_of_predictions",
    "write_predictions",
]
