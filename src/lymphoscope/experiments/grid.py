"""A definition and a request -> the runs of a grid, each prepared in its own folder so that it can be resumed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.experiments.cell_selection import phase_split
from lymphoscope.experiments.definition import Definition, RunDefinition
from lymphoscope.experiments.request import Request
from lymphoscope.files import write_json
from lymphoscope.runs import RunFolder, begin_folds, begin_training

if TYPE_CHECKING:
    from lymphoscope.training import Recipe

MODEL_SOURCE_FILE = "model_from.json"
"""In the folder of a run that tests another run's model: where that model is."""


@dataclass(frozen=True)
class GridRun:
    """One run of the grid: its recipe and folder. `folds` 0 is one split; `tests` names the run whose models it takes.

    `seed_number` counts the trainings of one row of the table; each has its own seed, folds and folder. `frozen`: it is
    a head on a frozen backbone.
    """

    name: str
    definition: RunDefinition
    recipe: "Recipe"
    folder: RunFolder
    folds: int
    tests: str | None = None
    seed_number: int = 0
    frozen: bool = False

    @property
    def title(self) -> str:
        """Title of its row, with the number of its seed where there are several."""
        return self.definition.title + (f", seed {self.seed_number + 1}" if self.seed_number else "")

    def parts(self) -> list[Path]:
        """The folder of each of its trainings; heads on a frozen backbone are one training."""
        path = self.folder.path
        if self.frozen:
            return [path]
        return [path / f"fold_{number}" for number in range(self.folds)] if self.folds else [path]


def build_grid(definition: Definition, request: Request) -> list[GridRun]:
    """The requested runs in the definition's order. Raises LymphoscopeError for an invalid recipe or unknown run."""
    check_run_names(request.name, definition, request.only)
    requested = request.only or tuple(definition.runs)
    sources = [definition.runs[name].test_time_of for name in requested]
    needed = {*requested, *filter(None, sources)}
    seeds = request.seeds or definition.seeds
    return [
        _build_run(name, definition, request, number)
        for name in definition.runs
        if name in needed
        for number in range(seeds)
    ]


def check_run_names(name: str, definition: Definition, only: tuple[str, ...]) -> None:
    """Raise LymphoscopeError if one of `only` is not a run of the experiment."""
    unknown = [run for run in only if run not in definition.runs]
    if unknown:
        raise LymphoscopeError(f"--only {unknown[0]}: {name} has no such run. Its runs: {', '.join(definition.runs)}")


def run_recipe(definition: Definition, run: RunDefinition, request: Request) -> "Recipe":
    """The recipe of a run: preset, the experiment's overrides, the run's, and last the limits of the request."""
    from lymphoscope.training import load_recipe

    limits = request.limits
    source = definition.runs[run.test_time_of] if run.test_time_of else None
    preset = run.preset or (source.preset if source else None) or definition.preset
    keys = [*definition.overrides, *(source.overrides if source else ()), *run.overrides]
    if limits.backbone:
        keys.append(f"model.backbone={limits.backbone}")
    if limits.epochs:
        keys.append(f"optimisation.epochs={limits.epochs}")
    return load_recipe(preset, [*keys, *limits.overrides])


def number_of_folds(definition: Definition, request: Request) -> int:
    """The request's number of folds, otherwise the experiment's; an experiment with one split keeps it."""
    return request.limits.folds or definition.folds if definition.folds else 0


def resolve_split(run: GridRun, manifest: Manifest) -> GridRun:
    """Replace the folds of a run by its split into phases, if the phases that it needs are available."""
    return replace(run, folds=0) if run.folds and _split_by_phase(run, manifest) is not None else run


def begin_grid(runs: list[GridRun], manifest: Manifest) -> None:
    """Write recipe and split of every run that has not started; a grid that was interrupted keeps what it has.

    Raises LymphoscopeError, one line, for invalid recipes and splits, before any training.
    """
    _check_recipes(runs, manifest)
    trained = {(run.name, run.seed_number): run for run in runs}
    for run in runs:
        if run.folder.config.is_file():
            continue
        if run.tests:
            _begin_test(run, trained[run.tests, run.seed_number])
        elif run.folds:
            begin_folds(run.recipe, manifest, run.folder, run.folds)
        else:
            begin_training(run.recipe, _split_by_phase(run, manifest) or manifest, run.folder)


def training_folders(runs: Sequence[GridRun]) -> list[Path]:
    """The folders of all trainings, in order."""
    return [part for run in runs if not run.tests for part in run.parts()]


def test_folders(runs: Sequence[GridRun]) -> list[Path]:
    """The folders of the runs that test another run's models, which must be trained first."""
    return [part for run in runs if run.tests for part in run.parts()]


def _build_run(name: str, definition: Definition, request: Request, number: int) -> GridRun:
    run = definition.runs[name]
    path = request.out / "runs" / name
    recipe = run_recipe(definition, run, request)
    if number:
        path, recipe = path / f"seed_{number}", recipe.model_copy(update={"seed": recipe.seed + number})
    folds = number_of_folds(definition, request)
    return GridRun(name, run, recipe, RunFolder(path), folds, run.test_time_of, number, definition.frozen_heads)


def _check_recipes(runs: list[GridRun], manifest: Manifest) -> None:
    from lymphoscope.training import check_recipe

    for run in {run.recipe.model.backbone: run for run in runs}.values():
        check_recipe(run.recipe, manifest.classes)


def _split_by_phase(run: GridRun, manifest: Manifest) -> Manifest | None:
    if run.definition.cells == "all":
        return None
    split = run.recipe.split
    return phase_split(manifest, run.definition.cells, validation=split.validation, seed=run.recipe.seed)


def _begin_test(run: GridRun, source: GridRun) -> None:
    for own, trained in zip(run.parts(), source.parts(), strict=True):
        _, manifest = RunFolder(trained).read_plan()
        write_json(own / MODEL_SOURCE_FILE, {"run": str(trained)})
        RunFolder(own).write_plan(run.recipe, manifest)
    if run.folds:
        run.folder.write_plan(run.recipe, source.folder.read_plan()[1])
