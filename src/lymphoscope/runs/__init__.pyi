from .cross_validation import (
    begin_folds as begin_folds,
    count_folds as count_folds,
    evaluate_folds as evaluate_folds,
    finish_folds as finish_folds,
)
from .demo import run_demo as run_demo
from .evaluation import StressTests as StressTests, evaluate_model as evaluate_model
from .leak_guard import (
    TrainingCells as TrainingCells,
    refuse_leaks as refuse_leaks,
    refuse_split as refuse_split,
    training_cells_of_model as training_cells_of_model,
    training_cells_of_split as training_cells_of_split,
)
from .provenance import Provenance as Provenance, current_provenance as current_provenance
from .referral_fitting import (
    fit_on_held_out_predictions as fit_on_held_out_predictions,
    fit_on_validation_cells as fit_on_validation_cells,
)
from .results import EvaluationOptions as EvaluationOptions, part_to_evaluate as part_to_evaluate
from .run_folder import RunFolder as RunFolder, is_rank_zero as is_rank_zero, log as log
from .score import score_predictions as score_predictions
from .single_run import begin_training as begin_training, finish_training as finish_training
from .training_run import begin_run as begin_run, finish_run as finish_run

__all__ = [
    "EvaluationOptions",
    "Provenance",
    "RunFolder",
    "StressTests",
    "TrainingCells",
    "begin_folds",
    "begin_run",
    "begin_training",
    "count_folds",
    "current_provenance",
    "evaluate_folds",
    "evaluate_model",
    "finish_folds",
    "finish_run",
    "finish_training",
    "fit_on_held_out_predictions",
    "fit_on_validation_cells",
    "is_rank_zero",
    "log",
    "part_to_evaluate",
    "refuse_leaks",
    "refuse_split",
    "run_demo",
    "score_predictions",
    "training_cells_of_model",
    "training_cells_of_split",
]
