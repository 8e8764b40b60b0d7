from .bootstrap import (
    MetricGroup as MetricGroup,
    MetricSpec as MetricSpec,
    draw_bootstrap_samples as draw_bootstrap_samples,
)
from .calibration import (
    CALIBRATION_METRICS as CALIBRATION_METRICS,
    fit_temperature as fit_temperature,
    mean_of_streams as mean_of_streams,
)
from .comparison import compare_predictions as compare_predictions, difference_group as difference_group
from .estimates import (
    Difference as Difference,
    Estimate as Estimate,
    PredictionComparison as PredictionComparison,
    Scores as Scores,
)
from .evaluation_set import metric_group as metric_group
from .label_errors import find_label_errors as find_label_errors
from .metrics import METRICS as METRICS, Metric as Metric, applicable_metrics as applicable_metrics
from .outcomes import (
    Floats as Floats,
    Indices as Indices,
    Mask as Mask,
    Outcomes as Outcomes,
    Weights as Weights,
    ratio as ratio,
)
from .predictions import (
    as_predictions as as_predictions,
    check_predictions as check_predictions,
    classes_of as classes_of,
    has_prediction as has_prediction,
    read_predictions as read_predictions,
    write_predictions as write_predictions,
)
from .roc import RocCurve as RocCurve
from .schema import (
    CorruptionStep as CorruptionStep,
    Leak as Leak,
    Leakage as Leakage,
    MapScore as MapScore,
    Metrics as Metrics,
    Robustness as Robustness,
    Saliency as Saliency,
    SubjectLevel as SubjectLevel,
)
from .subject_tests import holm as holm, resampled_t_p as resampled_t_p, sign_flip_p as sign_flip_p
from .subjects.subject_level import evaluate_subjects as evaluate_subjects
from .summary import (
    REPLICATES as REPLICATES,
    evaluate_predictions as evaluate_predictions,
    roc_of_predictions as roc_of_predictions,
)

__all__ = [
    "CALIBRATION_METRICS",
    "METRICS",
    "REPLICATES",
    "CorruptionStep",
    "Difference",
    "Estimate",
    "Floats",
    "Indices",
    "Leak",
    "Leakage",
    "MapScore",
    "Mask",
    "Metric",
    "MetricGroup",
    "MetricSpec",
    "Metrics",
    "Outcomes",
    "PredictionComparison",
    "Robustness",
    "RocCurve",
    "Saliency",
    "Scores",
    "SubjectLevel",
    "Weights",
    "applicable_metrics",
    "as_predictions",
    "check_predictions",
    "classes_of",
    "compare_predictions",
    "difference_group",
    "draw_bootstrap_samples",
    "evaluate_predictions",
    "evaluate_subjects",
    "find_label_errors",
    "fit_temperature",
    "has_prediction",
    "holm",
    "mean_of_streams",
    "metric_group",
    "ratio",
    "read_predictions",
    "resampled_t_p",
    "roc_of_predictions",
    "sign_flip_p",
    "write_predictions",
]
