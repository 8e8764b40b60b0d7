"""Predictions -> numbers with intervals; knows no network."""

from typing import TYPE_CHECKING

from lymphoscope.lazily import bring_names_at_first_use

if TYPE_CHECKING:
    from lymphoscope.evaluation.calibration import fit_temperature
    from lymphoscope.evaluation.columns import BOX, STREAMS, blast_by_name, columns
    from lymphoscope.evaluation.comparison import compare_predictions
    from lymphoscope.evaluation.label_doubts import label_doubts
    from lymphoscope.evaluation.measured import Difference, Measured, PredictionComparison, Scores
    from lymphoscope.evaluation.metrics import METRICS
    from lymphoscope.evaluation.predictions import (
        as_predictions,
        check_predictions,
        classes_of,
        read_predictions,
        write_predictions,
    )
    from lymphoscope.evaluation.roc import RocCurve
    from lymphoscope.evaluation.schema import Metrics
    from lymphoscope.evaluation.subject_level import subject_level
    from lymphoscope.evaluation.summary import REPLICATES, evaluate_predictions, roc_of_predictions
    from lymphoscope.evaluation.temperature import calibrated
    from lymphoscope.evaluation.thresholds import ReferralBand, fit_band

__all__ = [
    "BOX",
    "METRICS",
    "REPLICATES",
    "STREAMS",
    "Difference",
    "Measured",
    "Metrics",
    "PredictionComparison",
    "ReferralBand",
    "RocCurve",
    "Scores",
    "as_predictions",
    "blast_by_name",
    "calibrated",
    "check_predictions",
    "classes_of",
    "columns",
    "compare_predictions",
    "evaluate_predictions",
    "fit_band",
    "fit_temperature",
    "label_doubts",
    "read_predictions",
    "roc_of_predictions",
    "subject_level",
    "write_predictions",
]

bring_names_at_first_use(__name__)
