"""Cells and a recipe -> a run folder: split, train, predict who was held out, judge, report."""

from typing import TYPE_CHECKING

from lymphoscope.data import Manifest, split_by, split_holdout, with_fingerprints
from lymphoscope.evaluation import Metrics
from lymphoscope.inference import load
from lymphoscope.model_file import record_scores
from lymphoscope.runs.calibration_subjects import fit_on_calibration_subjects
from lymphoscope.runs.evaluation import evaluate_run
from lymphoscope.runs.folder import RunFolder
from lymphoscope.runs.leaks import refuse_split, training_cells_of_split, write_training_cells
from lymphoscope.runs.log import logged, say
from lymphoscope.runs.processes import is_rank_zero
from lymphoscope.runs.results import read_metrics, scores_for_card

if TYPE_CHECKING:
    from lymphoscope.training import Recipe


def begin_training(recipe: "Recipe", manifest: Manifest, folder: RunFolder, *, allow_leak: bool = False) -> None:
    """Write the recipe and the split that a run will follow, so that it can be resumed.

    Raises LymphoscopeError as the split does, and for leaks between its parts that are not allowed.
    """
    parted = with_fingerprints(split_as(recipe, manifest))
    refuse_split(parted, by=recipe.split.by, allow=allow_leak)
    folder.begin(recipe, parted)


def split_as(recipe: "Recipe", manifest: Manifest) -> Manifest:
    """The manifest's own split where it has one, else the recipe's."""
    if split_by(manifest.table) != "none":
        return manifest
    split = recipe.split
    if split.test > 0:
        return split_holdout(manifest, test=split.test, validation=split.validation, by=split.by, seed=recipe.seed)
    inner = split_holdout(manifest, test=split.validation, validation=0, by=split.by, seed=recipe.seed)
    return inner.with_table(inner.table.assign(split=inner.table["split"].replace("test", "validation")))


def finish_training(folder: RunFolder) -> Metrics | None:
    """Train as begun, then predict, judge and report the test cells; return the metrics, None without test cells.

    A run that was killed goes on where it stopped; one that was finished is not done again.
    """
    from lymphoscope.training import train_model

    recipe, manifest = folder.read()
    if folder.report.is_file():
        return read_metrics(folder.metrics) if folder.metrics.is_file() else None
    with logged(folder.path / "log.txt"):
        say(f"training {recipe.name} on {_counts(manifest)}")
        description = train_model(recipe, manifest, folder.path)
        if not is_rank_zero():
            return None
        write_training_cells(manifest, folder.model)
        fit_on_calibration_subjects(recipe, manifest, folder.model)
        if unreadable := description.trained_on["unreadable"]:
            say(f"{unreadable} cells could not be read and were left out: `lymphoscope data audit` names them")
        if not (manifest.table["split"] == "test").any():
            say("no test cells (split.test is 0): the model is written, without scores")
            return None
        title = f"Training run: {recipe.name}"
        # What leaks was refused when the run was begun, or allowed.
        known = training_cells_of_split(manifest)
        metrics = evaluate_run(load(folder.model), manifest, folder, title, known=known, allow_leak=True, part="test")
        record_scores(folder.model, scores_for_card(metrics))
        say(f"held-out {_headline(metrics)}; report: {folder.report}")
        return metrics


def _headline(metrics: Metrics) -> str:
    vote = metrics.vote["weighted_f1"]
    interval = "" if vote.low is None else f" ({vote.low:.3f} to {vote.high:.3f})"
    return f"WF1S {vote.value:.3f}{interval} over {metrics.evaluated} cells of {metrics.subjects} subjects"


def _counts(manifest: Manifest) -> str:
    return ", ".join(f"{count} {part}" for part, count in manifest.table["split"].value_counts().items()) + " cells"
