"""Predictions -> numbers with intervals; knows no network."""

from lymphoscope.evaluation.calibration import calibrated, fit_temperature
from lymphoscope.evaluation.comparison import compare_predictions
from lymphoscope.evaluation.measured import Difference, Measured, PredictionComparison, Scores
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
from lymphoscope.evaluation.schema import Metrics
from lymphoscope.evaluation.summary import REPLICATES, evaluate_predictions, roc_of_predictions

__all__ = [
    "BOX",
    "METRICS",
    "REPLICATES",
    "STREAMS",
    "Difference",
    "Measured",
    "Metrics",
    "PredictionComparison",
    "RocCurve",
    "Scores",
    "as_predictions",
    "calibrated",
    "check_predictions",
    "classes_of",
    "columns",
    "compare_predictions",
    "evaluate_predictions",
    "fit_temperature",
    "read_predictions",
    "roc_of_predictions",
    "write_predictions",
]
