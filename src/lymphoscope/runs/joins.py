"""Predictions and the data that they are joined with by path: one to one and complete, or named where they are not."""

from collections.abc import Iterable

import pandas as pd

from lymphoscope.errors import LymphoscopeError
from lymphoscope.terminal import counted
from lymphoscope.vocabulary import MODEL_ID_COLUMN


def refuse_repeated_cells(predictions: pd.DataFrame, where: object) -> None:
    """Raise LymphoscopeError if a cell has two rows: both would count, and a wrong one could be left out.

    Cells of a field, which share its path, are told apart by `cell_id` where the table has it.
    """
    key = "cell_id" if "cell_id" in predictions else "path"
    repeated = predictions[key].duplicated(keep=False) & predictions[key].notna()
    if repeated.any():
        first = predictions.loc[repeated, key].iloc[0]
        rows = [str(row + 1) for row in (predictions[key] == first).to_numpy().nonzero()[0][:4]]
        cells = predictions.loc[repeated, key].nunique()
        raise LymphoscopeError(
            f"{where}: more than one prediction for {counted(cells, 'cell')}, such as {first} in the "
            f"rows {', '.join(rows)} after the header: keep one row per cell"
        )


def missing_cells(predictions: pd.DataFrame, cells: pd.DataFrame) -> "pd.Series[str]":
    """Return the paths of the labelled cells of the data that have no row in the predictions."""
    expected = cells.loc[cells["label"].notna(), "path"]
    return expected[~expected.isin(predictions["path"])]


def join_notices(predictions: pd.DataFrame, cells: pd.DataFrame) -> Iterable[str]:
    """Yield a notice for cells without a prediction, and one for predictions of other cells."""
    missing = missing_cells(predictions, cells)
    if len(missing):
        labelled = int(cells["label"].notna().sum())
        yield (
            f"CELLS MISSING: {len(missing)} of the {labelled} labelled cells of the data have no prediction in the "
            f"table, and the scores leave them out, such as {missing.iloc[0]}"
        )
    others = predictions.loc[~predictions["path"].isin(cells["path"]), "path"]
    if len(others):
        yield f"{len(others)} predictions are of cells that are not among the data, such as {others.iloc[0]}"


def model_notices(predictions: pd.DataFrame) -> Iterable[str]:
    """Yield a notice if the predictions are of several models."""
    models = sorted(predictions[MODEL_ID_COLUMN].dropna().unique()) if MODEL_ID_COLUMN in predictions else []
    if len(models) > 1:
        yield f"SEVERAL MODELS: the predictions are of the models {', '.join(models)}, and are scored together"
