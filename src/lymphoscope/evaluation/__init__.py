"""Predictions -> numbers with intervals; knows no network."""

from lymphoscope.evaluation.label_doubts import label_doubts
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
from lymphoscope.evaluation.subject_level import subject_level
from lymphoscope.evaluation.summary import evaluate_predictions, roc_of_predictions
from lymphoscope.evaluation.thresholds import ReferralBand, fit_band

__all__ = [
    "BOX",
    "METRICS",
    "STREAMS",
    "ReferralBand",
    "RocCurve",
    "as_predictions",
    "check_predictions",
    "classes_of",
    "columns",
    "evaluate_predictions",
    "fit_band",
    "label_doubts",
    "read_predictions",
    "roc_of_predictions",
    "subject_level",
    "write_predictions",
]
