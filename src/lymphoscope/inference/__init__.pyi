from .explain import CellPictures as CellPictures, Explanation as Explanation, explained_cells as explained_cells
from .inputs import Cell as Cell, cells_of as cells_of, find_cells as find_cells
from .model import Model as Model, load as load
from .pipeline import predicted_rows as predicted_rows
from .predict import (
    PredictionSummary as PredictionSummary,
    predict_cells as predict_cells,
    predict_manifest as predict_manifest,
)
from .sinks.chunks import check_out as check_out
from .ternary import Runtime as Runtime, StreamPictures as StreamPictures, TernaryRuntime as TernaryRuntime

__all__ = [
    "Cell",
    "CellPictures",
    "Explanation",
    "Model",
    "PredictionSummary",
    "Runtime",
    "StreamPictures",
    "TernaryRuntime",
    "cells_of",
    "check_out",
    "explained_cells",
    "find_cells",
    "load",
    "predict_cells",
    "predict_manifest",
    "predicted_rows",
]
