"""A trained model in use: cells in, predictions and their explanations out, whatever the runtime."""

from lymphoscope.inference.cells import Cell, cells_of, find_cells
from lymphoscope.inference.chunks import check_out
from lymphoscope.inference.explain import CellPictures, Explanation, explained_cells
from lymphoscope.inference.heat_maps import measure_heat_maps
from lymphoscope.inference.model import Model, load
from lymphoscope.inference.predict import PredictionSummary, predict_cells, predict_manifest
from lymphoscope.inference.runtime import Runtime, StreamOutputs, StreamPictures
from lymphoscope.inference.shift import measure_shift
from lymphoscope.inference.stream import predicted_rows

__all__ = [
    "Cell",
    "CellPictures",
    "Explanation",
    "Model",
    "PredictionSummary",
    "Runtime",
    "StreamOutputs",
    "StreamPictures",
    "cells_of",
    "check_out",
    "explained_cells",
    "find_cells",
    "load",
    "measure_heat_maps",
    "measure_shift",
    "predict_cells",
    "predict_manifest",
    "predicted_rows",
]
