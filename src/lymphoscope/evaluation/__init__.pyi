from .calibration import fit_temperature as fit_temperature
from .comparison import compare_predictions as compare_predictions
from .estimates import (
    Difference as Difference,
    Estimate as Estimate,
    PredictionComparison as PredictionComparison,
    Scores as Scores,
)
from .label_errors import label_errors as label_errors
from .metrics import METRICS as METRICS
from .predictions import (
    as_predictions as as_predictions,
    check_predictions as check_predictions,
    classes_of as classes_of,
    read_predictions as read_predictions,
    write_predictions as write_predictions,
)
from .roc import RocCurve as RocCurve
from .schema import Metrics as Metrics
from .subjects.subject_level import subject_level as subject_level
from .summary import (
    REPLICATES as REPLICATES,
    evaluate_predictions as evaluate_predictions,
    roc_of_predictions as roc_of_predictions,
)

__all__ = [
    "METRICS",
    "REPLICATES",
    "Difference",
    "Estimate",
    "Metrics",
    "PredictionComparison",
    "RocCurve",
    "Scores",
    "as_predictions",
    "check_predictions",
    "classes_of",
    "compare_predictions",
    "evaluate_predictions",
    "fit_temperature",
    "label_errors",
    "read_predictions",
    "roc_of_predictions",
    "subject_level",
    "write_predictions",
]
