"""Metrics and a report from a table of predictions alone: no model, no images, no torch."""

from pathlib import Path

import pandas as pd

from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import Leakage, Metrics, classes_of, read_predictions
from lymphoscope.runs.joins import join_notices, missing_cells, model_notices, refuse_repeated_cells
from lymphoscope.runs.results import (
    DEFAULT_OPTIONS,
    EvaluationOptions,
    compute_metrics,
    part_to_evaluate,
    write_results,
)
from lymphoscope.runs.run_folder import RunFolder
from lymphoscope.vocabulary import GROUP_COLUMN, MODEL_ID_COLUMN, find_blast_class

_NO_MODEL = "predictions alone do not say what the model was trained on"
_CELL_COLUMNS = ("label", "subject", "slide")


def score_predictions(
    path: Path,
    folder: RunFolder,
    *,
    data: Manifest | None = None,
    part: str | None = None,
    blast_class: str | None = None,
    held_out: bool = False,
    options: EvaluationOptions = DEFAULT_OPTIONS,
) -> Metrics:
    """Compute the metrics of a table of predictions, and write metrics.json and report.html to `folder`.

    Labels, subjects and slides are those of the table, or of `data`, joined by path; of split data its test `part` is
    used; cells without a prediction are counted and named. Without `blast_class` the class with a common name of blasts
    is it. `held_out` states that no cell was scored by a model that was trained on its subject; for predictions of a
    model that ships, subjects are compared. Raises LymphoscopeError for a file that is not a table of predictions, for
    a cell with two predictions, for data of other cells, and for labels or a blast class that the table does not score.
    """
    predictions = read_predictions(path)
    refuse_repeated_cells(predictions, path)
    notices, missing = list(model_notices(predictions)), 0
    if data is None and part is not None:
        raise LymphoscopeError(f"--part {part}: name the split data with --data")
    manifest = data or Manifest(predictions[["path", *_CELL_COLUMNS]], "predictions")
    if data is not None:
        chosen = part_to_evaluate(data, part)
        cells = data.table if chosen is None else data.table[data.table["split"] == chosen]
        notices += join_notices(predictions, cells)
        missing = len(missing_cells(predictions, cells))
        predictions = _join_labels(predictions, data, chosen, path)
    leakage = _leakage_of_shipped_model(predictions)
    metrics = compute_metrics(
        predictions,
        blast_class=blast_class or find_blast_class(classes_of(predictions)),
        leakage=leakage,
        held_out=held_out,
        options=options,
    )
    manifest = manifest.with_table(manifest.table, *notices)
    metrics = metrics.model_copy(update={"notices": list(manifest.notices), "missing": missing})
    write_results(folder, f"Evaluation of {path.name}", metrics, predictions, manifest)
    return metrics


def _leakage_of_shipped_model(predictions: pd.DataFrame) -> Leakage:
    """Compare the subjects with those of the model that made the predictions, if it is one that ships.

    The images are not read, so that copies of training cells under other subjects are not found.
    """
    unchecked = Leakage(checked=[], allowed=False, leaking_cells=0, leaks=[], reason=_NO_MODEL)
    ids = set(predictions[MODEL_ID_COLUMN].dropna()) if MODEL_ID_COLUMN in predictions else set()
    if not ids:
        return unchecked
    from lymphoscope.model_file import subjects_of_shipped_model

    if len(ids) > 1:
        return unchecked
    subjects = subjects_of_shipped_model(str(min(ids)))
    if subjects is None:
        reason = f"the table names the model {min(ids)}, which is not here to say what it was trained on"
        return unchecked.model_copy(update={"reason": f"{reason}: `lymphoscope evaluate` checks it"})
    from lymphoscope.runs.leak_guard import find_leaks, training_cells_of_subjects

    cells = Manifest(predictions[["path", *_CELL_COLUMNS]], "predictions")
    return find_leaks(cells, training_cells_of_subjects(subjects)).model_copy(update={"allowed": False})


def _join_labels(predictions: pd.DataFrame, data: Manifest, part: str | None, path: Path) -> pd.DataFrame:
    """Return the predictions of the cells of `part`, with label, subject and slide of the data."""
    cells = data.table if part is None else data.table[data.table["split"] == part]
    cells = cells.drop_duplicates("path").set_index("path")
    matched = predictions[predictions["path"].isin(cells.index)]
    if matched.empty:
        raise LymphoscopeError(
            f"{path}: none of its {len(predictions)} cells is among the {len(cells)} of the data; paths must be equal "
            f"(predictions: {predictions['path'].iloc[0]}, data: {cells.index[0] if len(cells) else 'none'})"
        )
    # Groups are of the subjects that they were made for.
    names = [*_CELL_COLUMNS, *([GROUP_COLUMN] if GROUP_COLUMN in cells else [])]
    columns = cells.loc[matched["path"], names].set_index(matched.index)
    matched = matched.drop(columns=GROUP_COLUMN, errors="ignore")
    return matched.assign(**{name: columns[name].where(columns[name].notna(), None) for name in names})
