"""Cross-validation by subject: one run per fold, and all held-out cells evaluated together."""

from typing import TYPE_CHECKING

import pandas as pd

from lymphoscope.data import Manifest, read_manifest, split_folds
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import Leakage, Metrics, read_predictions, write_predictions
from lymphoscope.inference import load
from lymphoscope.model_file import record_scores
from lymphoscope.runs.evaluation import (
    MAX_MISTAKES,
    NO_STRESS,
    StressTests,
    promised_miss_rate,
    referral_promises,
    select_labelled_cells,
    with_stress_tests,
    worst_mistakes,
)
from lymphoscope.runs.leak_guard import is_held_out, refuse_split
from lymphoscope.runs.referral_fitting import fit_on_held_out_predictions, group_by_path
from lymphoscope.runs.results import DEFAULT_OPTIONS, EvaluationOptions, card_scores, compute_metrics, write_results
from lymphoscope.runs.run_folder import RunFolder, log
from lymphoscope.runs.single_run import begin_training, finish_training

if TYPE_CHECKING:
    from lymphoscope.training import Recipe


def begin_folds(
    recipe: "Recipe",
    manifest: Manifest,
    folder: RunFolder,
    folds: int,
    *,
    final: bool = False,
    allow_leak: bool = False,
) -> None:
    """Write recipe and split of every fold, from which the cross-validation can be resumed.

    `final` adds a model of all cells, which gets the scores of the folds. Raises LymphoscopeError for fewer groups of a
    class than folds, and for leaks between the parts of a fold that are not allowed.
    """
    split = recipe.split
    fold_manifests = split_folds(
        manifest,
        folds,
        validation=split.validation,
        by=split.by,
        seed=recipe.seed,
        partial_labels=recipe.data.partial_labels,
    )
    for fold in fold_manifests:
        refuse_split(fold, by=split.by, allow=allow_leak)
    for number, fold in enumerate(fold_manifests):
        fold_folder(folder, number).write_plan(recipe, fold)
    if final:
        # With the fingerprints and groups that the folds have computed, but without their parts.
        all_cells = fold_manifests[0].with_table(fold_manifests[0].table.drop(columns=["split", "fold"]))
        final_recipe = recipe.model_copy(update={"split": split.model_copy(update={"test": 0.0})})
        begin_training(final_recipe, all_cells, final_folder(folder), allow_leak=allow_leak)
    folder.write_plan(recipe, fold_manifests[0])


def finish_folds(folder: RunFolder, folds: int) -> Metrics:
    """Train the unfinished folds, then evaluate every cell by the model that was not trained on its subject."""
    with folder.logged():
        for number in range(folds):
            log(f"fold {number + 1} of {folds}")
            finish_training(fold_folder(folder, number))
        metrics = _evaluate(folder, folds, folder)
        if final_folder(folder).config.is_file():
            _finish_final_model(folder, folds, metrics)
        return metrics


def _finish_final_model(folder: RunFolder, folds: int, metrics: Metrics) -> None:
    """Train the model of all cells, and give it the scores of the folds."""
    final = final_folder(folder)
    finish_training(final)
    recipe, manifest = folder.read_plan()
    how = f"in {folds} folds by {recipe.split.by}, by models of the same recipe that were not trained on them"
    predictions = read_predictions(folder.predictions)
    fit_on_held_out_predictions(recipe, predictions, final.model, f"all cells {how}", group_by_path(manifest))
    record_scores(final.model, {"how": how, **card_scores(metrics)})
    log(f"final model of all cells: {final.model}")


def evaluate_folds(
    run: RunFolder, out: RunFolder, *, stress: StressTests = NO_STRESS, options: EvaluationOptions = DEFAULT_OPTIONS
) -> Metrics:
    """Evaluate a finished cross-validation into `out`, every cell by the model that was not trained on its subject.

    Raises LymphoscopeError if a fold is not finished.
    """
    folds = count_folds(run)
    for number in range(folds):
        fold = fold_folder(run, number)
        if not fold.metrics.is_file():
            raise LymphoscopeError(f"{fold.path} is not finished: lymphoscope train --resume --out {run.path}")
    return _evaluate(run, folds, out, stress, options)


def fold_folder(folder: RunFolder, number: int) -> RunFolder:
    """Return the run folder of one fold."""
    return RunFolder(folder.path / f"fold_{number}")


def final_folder(folder: RunFolder) -> RunFolder:
    """Return the run folder of the model of all cells."""
    return RunFolder(folder.path / "final")


def count_folds(folder: RunFolder) -> int:
    """Return the number of folds of a cross-validation; 0 for a single run."""
    return sum(1 for _ in folder.path.glob("fold_*/config.yaml"))


def _evaluate(
    folder: RunFolder,
    folds: int,
    out: RunFolder,
    stress: StressTests = NO_STRESS,
    options: EvaluationOptions = DEFAULT_OPTIONS,
) -> Metrics:
    """Evaluate the held-out predictions of all folds together; the report says that several models made them."""
    recipe, manifest = folder.read_plan()
    runs = [fold_folder(folder, number) for number in range(folds)]
    models = [load(run.model, runtime="torch") for run in runs]
    description = models[0].description
    tables = [read_predictions(run.predictions) for run in runs]
    predictions = pd.concat(tables, ignore_index=True)
    write_predictions(predictions, out.predictions)
    fold_metrics = [run.read_metrics() for run in runs]
    leakage = _merge_leakage([metrics.leakage for metrics in fold_metrics if metrics.leakage is not None])
    metrics = compute_metrics(
        predictions,
        blast_class=description.blast_class,
        leakage=leakage,
        held_out=is_held_out(leakage),
        options=options,
        stated_miss_rate=promised_miss_rate(models),
        promise=referral_promises(models),
        folds=[metrics.vote for metrics in fold_metrics],
    )
    held_out_cells = [select_labelled_cells(read_manifest(run.manifest), "test") for run in runs]
    metrics = with_stress_tests(list(zip(models, held_out_cells, strict=True)), metrics, stress)
    mistakes = [
        mistake for model, table in zip(models, tables, strict=True) for mistake in worst_mistakes(model, table)
    ]
    mistakes = sorted(mistakes, key=lambda mistake: -mistake.cell.score)[:MAX_MISTAKES]
    curves = pd.concat([pd.read_csv(run.curves).assign(fold=number) for number, run in enumerate(runs)])
    title = f"Cross-validation, {folds} folds: {recipe.name}"
    metrics = metrics.model_copy(update={"notices": list(manifest.notices)})
    write_results(out, title, metrics, predictions, _as_test_cells(manifest, runs), description, mistakes, curves)
    log(f"report: {out.report}")
    return metrics


def _merge_leakage(leakages: list[Leakage]) -> Leakage:
    leaks = [leak for leakage in leakages for leak in leakage.leaks]
    return Leakage(
        checked=leakages[0].checked if leakages else [],
        allowed=bool(leaks),
        leaking_cells=len({leak.path for leak in leaks}),
        leaks=leaks,
        reason=next((leakage.reason for leakage in leakages if leakage.reason), None),
    )


def _as_test_cells(manifest: Manifest, runs: list[RunFolder]) -> Manifest:
    notices = [notice for run in runs for notice in read_manifest(run.manifest).notices]
    note = "every cell was evaluated by the model of the one fold that was not trained on its subject"
    return manifest.with_table(manifest.table.assign(split="test"), *notices, note)
