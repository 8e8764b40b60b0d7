from .cross_validation import (
    begin_folds as begin_folds,
    evaluate_folds as evaluate_folds,
    finish_folds as finish_folds,
    folds_begun as folds_begun,
)
from .demo import demo as demo
from .evaluation import Stress as Stress, evaluate_run as evaluate_run
from .folder import RunFolder as RunFolder
from .judging import EvaluationOptions as EvaluationOptions
from .leaks import (
    TrainingCells as TrainingCells,
    refuse_leaks as refuse_leaks,
    refuse_split as refuse_split,
    training_cells_of_model as training_cells_of_model,
)
from .results import part_to_evaluate as part_to_evaluate, read_metrics as read_metrics
from .score import evaluate_predictions_file as evaluate_predictions_file
from .start import begin as begin, finish as finish
from .training import begin_training as begin_training, finish_training as finish_training

__all__ = [
    "EvaluationOptions",
    "RunFolder",
    "Stress",
    "TrainingCells",
    "begin",
    "begin_folds",
    "begin_training",
    "demo",
    "evaluate_folds",
    "evaluate_predictions_file",
    "evaluate_run",
    "finish",
    "finish_folds",
    "finish_training",
    "folds_begun",
    "part_to_evaluate",
    "read_metrics",
    "refuse_leaks",
    "refuse_split",
    "training_cells_of_model",
]
