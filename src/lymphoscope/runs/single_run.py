"""One training run: split, train, fit the referral, evaluate the held-out cells, report."""

from functools import partial
from typing import TYPE_CHECKING

from lymphoscope.data import (
    Manifest,
    refuse_spelling_conflicts,
    split_by,
    split_holdout,
    with_fingerprints,
    without_unusable_labels,
)
from lymphoscope.evaluation import Metrics
from lymphoscope.inference import load
from lymphoscope.model_file import record_scores
from lymphoscope.runs.evaluation import evaluate_model
from lymphoscope.runs.leak_guard import refuse_split, training_cells_of_split, write_training_cells
from lymphoscope.runs.referral_fitting import fit_on_validation_cells
from lymphoscope.runs.results import card_scores
from lymphoscope.runs.run_folder import RunFolder, is_rank_zero, log
from lymphoscope.terminal import counted

if TYPE_CHECKING:
    from lymphoscope.training import Recipe


def begin_training(recipe: "Recipe", manifest: Manifest, folder: RunFolder, *, allow_leak: bool = False) -> None:
    """Write recipe and split of a run, from which it can be resumed.

    Raises LymphoscopeError as the split does, for subjects or labels of a table's own split that may be spellings of
    one name, and for leaks between its parts that are not allowed.
    """
    refuse_spelling_conflicts(manifest.table, ("label",) if recipe.split.by == "random" else ("subject", "label"))
    split = _split(recipe, manifest)
    refuse_split(split, by=recipe.split.by, allow=allow_leak)
    folder.write_plan(recipe, split)


def finish_training(folder: RunFolder) -> Metrics | None:
    """Train, then predict, evaluate and report the test cells; return the metrics, None without test cells.

    A run that was stopped continues after its last whole epoch; a finished one is only read.
    """
    from lymphoscope.training import train_model

    recipe, manifest = folder.read_plan()
    if folder.report.is_file():
        return folder.read_metrics() if folder.metrics.is_file() else None
    with folder.logged():
        log(f"training {recipe.name} on {_cells_of_parts(manifest)}")
        for notice in manifest.notices:
            log(f"notice: {notice}")
        description = train_model(recipe, manifest, folder.path)
        if not is_rank_zero():
            return None
        write_training_cells(manifest, folder.model, record_subjects=recipe.record_subjects)
        fit_on_validation_cells(recipe, manifest, folder.model)
        if unreadable := description.trained_on["unreadable"]:
            log(f"left out: {counted(unreadable, 'cell')} that could not be read; `lymphoscope data audit` tells which")
        if not (manifest.table["split"] == "test").any():
            log("no test cells (split.test is 0): the model is written without scores")
            return None
        return _evaluate_test_cells(folder, recipe, manifest)


def _evaluate_test_cells(folder: RunFolder, recipe: "Recipe", manifest: Manifest) -> Metrics:
    metrics = evaluate_model(
        load(folder.model),
        manifest,
        folder,
        f"Training run: {recipe.name}",
        training_cells=training_cells_of_split(manifest),
        allow_leak=True,  # leaks were refused, or allowed, at the beginning of the run
        part="test",
    )
    record_scores(folder.model, card_scores(metrics))
    log(f"held-out {_headline(metrics)}; report: {folder.report}")
    return metrics


def _split(recipe: "Recipe", manifest: Manifest) -> Manifest:
    """Return the manifest with its own split if it has one, else with the recipe's, and with fingerprints."""
    split, partial_labels = recipe.split, recipe.data.partial_labels
    if split_by(manifest.table) != "none":
        return with_fingerprints(without_unusable_labels(manifest, partial_labels=partial_labels))
    deal = partial(split_holdout, manifest, by=split.by, seed=recipe.seed, partial_labels=partial_labels)
    if split.test > 0:
        return deal(test=split.test, validation=split.validation)
    halves = deal(test=split.validation, validation=0)
    return halves.with_table(halves.table.assign(split=halves.table["split"].replace("test", "validation")))


def _headline(metrics: Metrics) -> str:
    estimate = metrics.vote["weighted_f1"]
    interval = "" if estimate.low is None else f" ({estimate.low:.3f} to {estimate.high:.3f})"
    return f"WF1S {estimate.value:.3f}{interval} over {metrics.evaluated} cells of {metrics.subjects} subjects"


def _cells_of_parts(manifest: Manifest) -> str:
    return ", ".join(f"{count} {part}" for part, count in manifest.table["split"].value_counts().items()) + " cells"
