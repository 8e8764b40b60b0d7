"""Numbers and a report from a file of predictions alone: no model, no pictures, no torch."""

from pathlib import Path

import pandas as pd

from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import Leakage, Metrics, classes_of, read_predictions
from lymphoscope.runs.folder import RunFolder
from lymphoscope.runs.judging import DEFAULT_OPTIONS, EvaluationOptions, judge
from lymphoscope.runs.results import part_to_evaluate, write_results
from lymphoscope.vocabulary import find_blast_class

_UNKNOWN = "predictions alone do not say what the model was trained on"
_GIVEN = ("label", "subject", "slide")


def evaluate_predictions_file(
    path: Path,
    folder: RunFolder,
    *,
    data: Manifest | None = None,
    part: str | None = None,
    blast_class: str | None = None,
    out_of_fold: bool = False,
    how: EvaluationOptions = DEFAULT_OPTIONS,
) -> Metrics:
    """Judge a predictions table and write metrics.json and report.html.

    Labels, subjects and slides are those of the file, or of `data`, joined by path; of split data its test `part` is
    judged. Without `blast_class` a class of a blast's name is taken for it. `out_of_fold` says that no cell was scored
    by a model that had seen its subject. Raises LymphoscopeError for a file that is no such table, data of other cells,
    and labels or a blast class that it does not score.
    """
    table = read_predictions(path)
    if data is None and part is not None:
        raise LymphoscopeError(f"--part {part}: name the split data with --data")
    shown = _as_manifest(table)
    if data is not None:
        wanted = part_to_evaluate(data, part)
        table, shown = _labelled_by(table, data, wanted, path), data
    leakage = Leakage(checked=[], allowed=False, leaking_cells=0, leaks=[], reason=_UNKNOWN)
    blast_class = blast_class or find_blast_class(classes_of(table))
    metrics = judge(table, blast_class=blast_class, leakage=leakage, out_of_fold=out_of_fold, how=how)
    write_results(folder, f"Evaluation of {path.name}", metrics, table, shown, None, [])
    return metrics


def _as_manifest(table: pd.DataFrame) -> Manifest:
    return Manifest(table[["path", *_GIVEN]], "predictions")


def _labelled_by(table: pd.DataFrame, data: Manifest, part: str | None, where: Path) -> pd.DataFrame:
    """The predictions of the cells of `part`, with what the data know of them."""
    cells = data.table if part is None else data.table[data.table["split"] == part]
    known = cells.drop_duplicates("path").set_index("path")
    found = table[table["path"].isin(known.index)]
    if found.empty:
        raise LymphoscopeError(
            f"{where}: none of its {len(table)} cells is among the {len(known)} of the data; paths must be the same "
            f"(here {table['path'].iloc[0]}, there {known.index[0] if len(known) else 'none'})"
        )
    given = known.loc[found["path"], list(_GIVEN)].set_index(found.index)
    return found.assign(**{name: given[name].where(given[name].notna(), None) for name in _GIVEN})
