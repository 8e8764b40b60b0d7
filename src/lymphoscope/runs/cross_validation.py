"""k folds by subject: k runs, and the held-out cells of all of them judged together."""

from typing import TYPE_CHECKING

import pandas as pd

from lymphoscope.data import Manifest, read_manifest, split_folds
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import Leakage, Metrics, read_predictions, write_predictions
from lymphoscope.inference import load
from lymphoscope.model_file import record_scores
from lymphoscope.runs.calibration_subjects import fit_out_of_fold
from lymphoscope.runs.evaluation import (
    MISTAKES,
    NO_STRESS,
    Stress,
    labelled_cells,
    mistakes_of,
    stressed,
)
from lymphoscope.runs.folder import RunFolder
from lymphoscope.runs.judging import DEFAULT_OPTIONS, EvaluationOptions, is_held_out, judge, stated_miss_rate_of
from lymphoscope.runs.leaks import refuse_split
from lymphoscope.runs.log import logged, say
from lymphoscope.runs.results import read_metrics, scores_for_card, write_results
from lymphoscope.runs.training import begin_training, finish_training

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
    """Write the recipe, the folds, and a run to be trained for each, so that the whole can be resumed.

    `final` asks for one more: a model of all cells, which takes the scores of the folds.

    Raises LymphoscopeError for fewer groups of a class than folds, and for leaks between the parts of a fold that are
    not allowed.
    """
    split = recipe.split
    parts = split_folds(manifest, folds, validation=split.validation, by=split.by, seed=recipe.seed)
    for part in parts:
        refuse_split(part, by=split.by, allow=allow_leak)
    for number, part in enumerate(parts):
        fold_folder(folder, number).begin(recipe, part)
    if final:
        untested = split.model_copy(update={"test": 0.0})
        # What the folds have read and grouped, without the parts that they (or a table of one's own) gave it.
        whole = parts[0].with_table(parts[0].table.drop(columns=["split", "fold"]))
        begin_training(
            recipe.model_copy(update={"split": untested}), whole, final_folder(folder), allow_leak=allow_leak
        )
    folder.begin(recipe, parts[0])


def finish_folds(folder: RunFolder, folds: int) -> Metrics:
    """Train what is not trained yet, then judge every cell by the model that had not seen its subject."""
    with logged(folder.path / "log.txt"):
        for number in range(folds):
            say(f"fold {number + 1} of {folds}")
            finish_training(fold_folder(folder, number))
        metrics = _judge(folder, folds, folder)
        if (final := final_folder(folder)).config.is_file():
            finish_training(final)
            recipe = folder.read()[0]
            how = f"in {folds} folds by {recipe.split.by}, by models of the same recipe that had not seen them"
            fit_out_of_fold(recipe, read_predictions(folder.predictions), final.model, f"all cells {how}")
            record_scores(final.model, {"how": how, **scores_for_card(metrics)})
            say(f"final model of all cells: {final.model}")
        return metrics


def evaluate_folds(
    run: RunFolder, out: RunFolder, *, stress: Stress = NO_STRESS, how: EvaluationOptions = DEFAULT_OPTIONS
) -> Metrics:
    """Judge a cross-validation anew into `out`: every cell by the model that had not seen its subject, stressed too.

    Raises LymphoscopeError where a fold is not finished.
    """
    folds = folds_begun(run)
    for number in range(folds):
        fold = fold_folder(run, number)
        if not fold.metrics.is_file():
            raise LymphoscopeError(f"{fold.path} is not finished: lymphoscope train --resume --out {run.path}")
    return _judge(run, folds, out, stress, how)


def fold_folder(folder: RunFolder, number: int) -> RunFolder:
    """The run of one fold."""
    return RunFolder(folder.path / f"fold_{number}")


def final_folder(folder: RunFolder) -> RunFolder:
    """The run of the model of all cells, where one was asked for."""
    return RunFolder(folder.path / "final")


def folds_begun(folder: RunFolder) -> int:
    """How many folds a cross-validation that was begun has; 0 for a single run."""
    return sum(1 for _ in folder.path.glob("fold_*/config.yaml"))


def _judge(
    folder: RunFolder, folds: int, out: RunFolder, stress: Stress = NO_STRESS, how: EvaluationOptions = DEFAULT_OPTIONS
) -> Metrics:
    """Pool the held-out predictions. Scores of different models stand in one ROC: the page says so."""
    recipe, manifest = folder.read()
    runs = [fold_folder(folder, number) for number in range(folds)]
    tables = [read_predictions(run.predictions) for run in runs]
    pooled = pd.concat(tables, ignore_index=True)
    write_predictions(pooled, out.predictions)
    models = [load(run.model, runtime="torch") for run in runs]
    description = models[0].description
    of_folds = [read_metrics(run.metrics).vote for run in runs]
    leakage = _pooled_leakage(runs)
    metrics = judge(
        pooled,
        blast_class=description.blast_class,
        leakage=leakage,
        out_of_fold=is_held_out(leakage),
        how=how,
        stated_miss_rate=stated_miss_rate_of(description),
        folds=of_folds,
    )
    held_out = [labelled_cells(read_manifest(run.manifest), "test") for run in runs]
    metrics = stressed(list(zip(models, held_out, strict=True)), metrics, stress)
    mistakes = [mistake for model, table in zip(models, tables, strict=True) for mistake in mistakes_of(model, table)]
    worst = sorted(mistakes, key=lambda mistake: -mistake.score)[:MISTAKES]
    curves = pd.concat([pd.read_csv(run.curves).assign(fold=number) for number, run in enumerate(runs)])
    title = f"Cross-validation, {folds} folds: {recipe.name}"
    write_results(out, title, metrics, pooled, _pooled(manifest, runs), description, worst, curves)
    say(f"report: {out.report}")
    return metrics


def _pooled_leakage(runs: list[RunFolder]) -> Leakage:
    """What each fold's model had seen of the cells that it judged."""
    found = [read_metrics(run.metrics).leakage for run in runs]
    known = [leakage for leakage in found if leakage is not None]
    leaks = [leak for leakage in known for leak in leakage.leaks]
    reasons = [leakage.reason for leakage in known if leakage.reason]
    return Leakage(
        checked=known[0].checked if known else [],
        allowed=bool(leaks),
        leaking_cells=len({leak.path for leak in leaks}),
        leaks=leaks,
        reason=reasons[0] if reasons else None,
    )


def _pooled(manifest: Manifest, runs: list[RunFolder]) -> Manifest:
    notices = [notice for run in runs for notice in read_manifest(run.manifest).notices]
    note = "every cell was judged by the one model of the folds that had not seen its subject"
    return manifest.with_table(manifest.table.assign(split="test"), *notices, note)
