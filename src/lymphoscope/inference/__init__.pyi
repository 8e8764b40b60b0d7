from .cluster import LOCAL as LOCAL, predict_on_cluster as predict_on_cluster
from .explain import CellStreams as CellStreams, Explanation as Explanation, explained_cells as explained_cells
from .inputs import (
    Cell as Cell,
    CellInputs as CellInputs,
    FoundCells as FoundCells,
    ReadCell as ReadCell,
    as_cells as as_cells,
    cells_of as cells_of,
    find_cells as find_cells,
    load_cell as load_cell,
    read_cell as read_cell,
    search_cells as search_cells,
)
from .model import Model as Model, load as load
from .pipeline import (
    BATCH_SIZE as BATCH_SIZE,
    best_batch_size as best_batch_size,
    default_workers as default_workers,
    predicted_rows as predicted_rows,
    prefetch_map as prefetch_map,
    read_batches as read_batches,
    readable_pixels as readable_pixels,
)
from .predict import (
    IfExists as IfExists,
    PredictionSummary as PredictionSummary,
    predict_cells as predict_cells,
    predict_manifest as predict_manifest,
)
from .rows import Row as Row, calibrated_scores as calibrated_scores, columns_of as columns_of
from .sinks import check_output_file as check_output_file
from .ternary import Runtime as Runtime, StreamImages as StreamImages, TernaryRuntime as TernaryRuntime

__all__ = [
    "BATCH_SIZE",
    "LOCAL",
    "Cell",
    "CellInputs",
    "CellStreams",
    "Explanation",
    "FoundCells",
    "IfExists",
    "Model",
    "PredictionSummary",
    "ReadCell",
    "Row",
    "Runtime",
    "StreamImages",
    "TernaryRuntime",
    "as_cells",
    "best_batch_size",
    "calibrated_scores",
    "cells_of",
    "check_output_file",
    "columns_of",
    "default_workers",
    "explained_cells",
    "find_cells",
    "load",
    "load_cell",
    "predict_cells",
    "predict_manifest",
    "predict_on_cluster",
    "predicted_rows",
    "prefetch_map",
    "read_batches",
    "read_cell",
    "readable_pixels",
    "search_cells",
]
