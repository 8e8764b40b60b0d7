"""A model and labelled cells -> predictions, metrics, report; optionally the stress tests."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lymphoscope.data import Manifest, refuse_spelling_conflicts, with_fingerprints
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import Metrics, read_predictions, write_predictions
from lymphoscope.inference import Model, predict_manifest
from lymphoscope.reports import Mistake, PredictedCell, mistake_of
from lymphoscope.robustness import measure_corruptions, measure_saliency
from lymphoscope.runs.leak_guard import TrainingCells, find_leaks, is_held_out, refuse_leaks
from lymphoscope.runs.referral_fitting import group_by_path
from lymphoscope.runs.results import (
    DEFAULT_OPTIONS,
    EvaluationOptions,
    compute_metrics,
    with_scores_without_leaks,
    write_results,
)
from lymphoscope.runs.run_folder import RunFolder
from lymphoscope.vocabulary import GROUP_COLUMN

MAX_MISTAKES = 12
# The search for subjects who share a cell compares all pairs of cells.
_MOST_COMPARED = 20_000


@dataclass(frozen=True)
class StressTests:
    """The stress tests to run, which take long: image corruptions (of at most `max_cells` cells) and saliency."""

    corruptions: bool = False
    saliency: bool = False
    max_cells: int | None = None


NO_STRESS = StressTests()


def evaluate_model(
    model: Model,
    manifest: Manifest,
    folder: RunFolder,
    title: str,
    *,
    training_cells: TrainingCells,
    allow_leak: bool,
    show_leak: bool = False,
    stress: StressTests = NO_STRESS,
    part: str | None = None,
    options: EvaluationOptions = DEFAULT_OPTIONS,
) -> Metrics:
    """Predict the labelled cells of `part` (None for all); write predictions, metrics, card and report to `folder`.

    `training_cells` is what the model was trained on. The report shows the whole manifest and its split. Raises
    LymphoscopeError if there is no labelled cell, for labels that the model does not know, and for evaluated cells that
    were used in training, unless they are allowed or to be shown.
    """
    cells, description = select_labelled_cells(manifest, part), model.description
    description.check_labels(cells.classes)
    if not allow_leak:  # intervals over subjects need to know which cells are of one person
        refuse_spelling_conflicts(cells.table, ("subject",))
    if training_cells.have_fingerprints or _is_searched(cells):
        cells = with_fingerprints(cells)
    leakage = find_leaks(cells, training_cells)
    refuse_leaks(leakage.leaks, allow=allow_leak or show_leak, remedy="evaluate other cells")
    predict_manifest(model, cells, folder.predictions, if_exists="overwrite")
    predictions = with_groups(read_predictions(folder.predictions), cells)
    write_predictions(predictions, folder.predictions)
    metrics = compute_metrics(
        predictions,
        blast_class=description.blast_class,
        leakage=leakage,
        held_out=is_held_out(leakage),
        options=options,
        stated_miss_rate=promised_miss_rate([model]),
        promise=referral_promises([model]),
    )
    if show_leak:
        metrics = with_scores_without_leaks(predictions, metrics)
    metrics = with_stress_tests([(model, cells)], metrics, stress)
    mistakes = list(worst_mistakes(model, predictions))
    curves = pd.read_csv(folder.curves) if folder.curves.is_file() else None
    metrics = metrics.model_copy(update={"notices": list(manifest.notices)})
    write_results(folder, title, metrics, predictions, manifest, description, mistakes, curves)
    return metrics


def with_groups(predictions: pd.DataFrame, cells: Manifest) -> pd.DataFrame:
    """Return the predictions with the column `group`, from which statistics know the subjects who share a cell.

    It is that of a split; without one, shared cells are looked for among at most 20,000 cells.
    """
    if GROUP_COLUMN in cells.table:
        groups = dict(zip(cells.table["path"], cells.table[GROUP_COLUMN], strict=True))
    elif _is_searched(cells):
        groups = group_by_path(cells)
    else:
        return predictions
    return predictions.assign(**{GROUP_COLUMN: predictions["path"].map(groups)})


def with_groups_as_subjects(cells: Manifest) -> Manifest:
    """Return the cells with groups of subjects who share a cell in place of subjects: what is drawn."""
    table = with_groups(cells.table, cells)
    if GROUP_COLUMN not in table:
        return cells
    grouped = table[GROUP_COLUMN].where(table["subject"].notna() & table[GROUP_COLUMN].notna(), table["subject"])
    return cells.with_table(cells.table.assign(subject=grouped))


def _is_searched(cells: Manifest) -> bool:
    return GROUP_COLUMN not in cells.table and len(cells.table) <= _MOST_COMPARED


def select_labelled_cells(manifest: Manifest, part: str | None) -> Manifest:
    """Return the labelled cells of a part, or of all parts. Raises LymphoscopeError if there is none."""
    table = manifest.table[manifest.table["label"].notna()]
    if part is not None:
        table = table[table["split"] == part]
    if table.empty:
        cells = f"labelled {part} cells" if part else "labelled cells"
        raise LymphoscopeError(f"no {cells} to evaluate: `lymphoscope predict` works without labels")
    return manifest.with_table(table.reset_index(drop=True))


def promised_miss_rate(models: Sequence[Model]) -> float | None:
    """Return the largest share of missed blasts that the models promise; None where one of them promises nothing."""
    rates = [model.description.promised_miss_rate(model.runtime.options) for model in models]
    promised = [rate for rate in rates if rate is not None]
    return max(promised) if promised and len(promised) == len(rates) else None


def referral_promises(models: Sequence[Model]) -> list[str]:
    """Return what the referral of the models promises, in sentences."""
    sentences = models[0].description.promises(models[0].runtime.options)
    if len(models) == 1 or not sentences:
        return sentences
    return [f"Each of the {len(models)} models has its own limits and promise; this is that of the first.", *sentences]


def with_stress_tests(evaluated: Sequence[tuple[Model, Manifest]], metrics: Metrics, stress: StressTests) -> Metrics:
    """Return the metrics with the results of the stress tests, for models and the cells that each was evaluated on."""
    replicates = metrics.bootstrap.replicates
    results: dict[str, Any] = {}
    if stress.corruptions or stress.saliency:
        evaluated = [(model, with_groups_as_subjects(cells)) for model, cells in evaluated]
    if stress.corruptions:
        results["robustness"] = measure_corruptions(evaluated, replicates=replicates, max_cells=stress.max_cells)
    if stress.saliency:
        results["saliency"] = measure_saliency(evaluated, replicates=replicates)
    return metrics.model_copy(update=results)


def worst_mistakes(model: Model, predictions: pd.DataFrame, limit: int = MAX_MISTAKES) -> Iterator[Mistake]:
    """Yield the wrong predictions of the highest score, with the images of the streams."""
    is_wrong = predictions["label"].notna() & predictions["predicted"].notna()
    wrong = predictions[is_wrong & (predictions["label"] != predictions["predicted"])]
    scores = wrong.apply(lambda row: row[f"score_{row['predicted']}"], axis=1) if len(wrong) else pd.Series(dtype=float)
    rows = wrong.loc[scores.sort_values(ascending=False, kind="stable").index[:limit]]
    if rows.empty or model.description.architecture.head != "attention":
        return
    for row, explanation in zip(rows.to_dict("records"), model.explain(rows["path"].tolist()), strict=True):
        yield mistake_of(PredictedCell.of_row({str(name): value for name, value in row.items()}), explanation)
