"""Whole runs: train, judge, report; cross-validation; the demo. What the commands do, without their words."""

from lymphoscope.runs.cross_validation import begin_folds, evaluate_folds, finish_folds, folds_begun
from lymphoscope.runs.demo import demo
from lymphoscope.runs.evaluation import Stress, evaluate_run, part_to_judge
from lymphoscope.runs.folder import RunFolder
from lymphoscope.runs.judging import Judging
from lymphoscope.runs.leaks import KnownCells, known_of_model, refuse_leaks, refuse_split
from lymphoscope.runs.predictions import evaluate_predictions_file
from lymphoscope.runs.start import begin, finish
from lymphoscope.runs.training import begin_training, finish_training

__all__ = [
    "Judging",
    "KnownCells",
    "RunFolder",
    "Stress",
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
    "known_of_model",
    "part_to_judge",
    "refuse_leaks",
    "refuse_split",
]
