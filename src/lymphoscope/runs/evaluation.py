"""A model and held-out cells -> predictions, numbers, report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import Metrics, read_predictions
from lymphoscope.inference import Model, predict_manifest
from lymphoscope.reports import Mistake, mistake_of
from lymphoscope.robustness import measure_corruptions, measure_saliency
from lymphoscope.runs.folder import RunFolder
from lymphoscope.runs.judging import (
    DEFAULT_OPTIONS,
    EvaluationOptions,
    is_held_out,
    judge,
    stated_miss_rate_of,
    without_leaks,
)
from lymphoscope.runs.leaks import TrainingCells, find_leaks, refuse_leaks
from lymphoscope.runs.results import write_results

MISTAKES = 12


@dataclass(frozen=True)
class Stress:
    """What else is measured, which takes long: graded changes of the pictures (of so many cells), and the heat maps."""

    shift: bool = False
    saliency: bool = False
    shift_cells: int | None = None


NO_STRESS = Stress()


def evaluate_run(
    model: Model,
    manifest: Manifest,
    folder: RunFolder,
    title: str,
    *,
    known: TrainingCells,
    allow_leak: bool,
    show_leak: bool = False,
    stress: Stress = NO_STRESS,
    part: str | None = None,
    how: EvaluationOptions = DEFAULT_OPTIONS,
) -> Metrics:
    """Predict the labelled cells of `part` (all without one), judge them and write predictions, metrics and report.

    `known` is what the model was trained on. The report shows the whole manifest and its split. Raises
    LymphoscopeError where there is no labelled cell, for labels that the model does not know, and, unless it is allowed
    or to be shown, for judged cells that training had seen.
    """
    judged = labelled_cells(manifest, part)
    model.description.check_labels(judged.classes)
    leakage = find_leaks(judged, known)
    refuse_leaks(leakage.leaks, allow=allow_leak or show_leak, mend="judge other cells")
    predict_manifest(model, judged, folder.predictions)
    table = read_predictions(folder.predictions)
    metrics = judge(
        table,
        blast_class=model.description.blast_class,
        leakage=leakage,
        out_of_fold=is_held_out(leakage),
        how=how,
        stated_miss_rate=stated_miss_rate_of(model.description),
    )
    metrics = without_leaks(table, metrics) if show_leak else metrics
    metrics = stressed([(model, judged)], metrics, stress)
    curves = pd.read_csv(folder.curves) if folder.curves.is_file() else None
    write_results(folder, title, metrics, table, manifest, model.description, list(mistakes_of(model, table)), curves)
    return metrics


def mistakes_of(model: Model, table: pd.DataFrame, most: int = MISTAKES) -> Iterator[Mistake]:
    """The most certain mistakes first: wrong labels with the highest score, and what the streams saw of them."""
    wrong = table[table["label"].notna() & table["predicted"].notna() & (table["label"] != table["predicted"])]
    scores = wrong.apply(lambda row: row[f"score_{row['predicted']}"], axis=1) if len(wrong) else pd.Series(dtype=float)
    rows = wrong.loc[scores.sort_values(ascending=False, kind="stable").index[:most]]
    if rows.empty or model.description.architecture.head != "attention":
        return
    for (_, row), seen in zip(rows.iterrows(), model.explain(rows["path"].tolist()), strict=True):
        yield mistake_of(row, seen)


def stressed(judges: Sequence[tuple[Model, Manifest]], metrics: Metrics, stress: Stress) -> Metrics:
    """The same metrics with what else was asked for, of models and the cells that each judged."""
    replicates = metrics.bootstrap.replicates
    found: dict[str, Any] = {}
    if stress.shift:
        found["robustness"] = measure_corruptions(judges, replicates=replicates, max_cells=stress.shift_cells)
    if stress.saliency:
        found["saliency"] = measure_saliency(judges, replicates=replicates)
    return metrics.model_copy(update=found)


def labelled_cells(manifest: Manifest, part: str | None) -> Manifest:
    """The labelled cells of a part, of all without one. Raises LymphoscopeError where there is none."""
    table = manifest.table[manifest.table["label"].notna()]
    if part is not None:
        table = table[table["split"] == part]
    if table.empty:
        raise LymphoscopeError(
            f"no labelled {part or ''} cells to evaluate: predict works without labels".replace("  ", " ")
        )
    return manifest.with_table(table.reset_index(drop=True))
