"""A definition and a request -> the runs of a grid, each begun in its own folder, ready to be gone on with."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.experiments.cells import phase_split
from lymphoscope.experiments.definition import Definition, RunDefinition
from lymphoscope.experiments.request import Request
from lymphoscope.files import write_json
from lymphoscope.runs import RunFolder, begin_folds, begin_training

if TYPE_CHECKING:
    from lymphoscope.training import Recipe

SOURCE_OF_MODEL = "model_from.json"
"""In the folder of a run that tests another's model in another way: where that model lies."""


@dataclass(frozen=True)
class GridRun:
    """A row of the grid: its recipe and folder; `folds` 0 is one split. `tests` names the run whose models it takes."""

    name: str
    definition: RunDefinition
    recipe: "Recipe"
    folder: RunFolder
    folds: int
    tests: str | None = None

    def parts(self) -> list[Path]:
        """The folder of each of its trainings."""
        path = self.folder.path
        return [path / f"fold_{number}" for number in range(self.folds)] if self.folds else [path]


def grid_of(definition: Definition, request: Request) -> list[GridRun]:
    """The runs asked for, in the definition's order. Raises LymphoscopeError for a wrong recipe and an unknown run."""
    check_names(request.name, definition, request.only)
    chosen = request.only or tuple(definition.runs)
    sources = [definition.runs[name].test_time_of for name in chosen]
    wanted = {*chosen, *filter(None, sources)}
    return [_run(name, definition, request) for name in definition.runs if name in wanted]


def check_names(name: str, definition: Definition, only: tuple[str, ...]) -> None:
    """Raise LymphoscopeError where one of `only` is no run of the experiment."""
    unknown = [run for run in only if run not in definition.runs]
    if unknown:
        raise LymphoscopeError(f"--only {unknown[0]}: the runs of {name} are {', '.join(definition.runs)}")


def recipe_of(definition: Definition, run: RunDefinition, request: Request) -> "Recipe":
    """The recipe of a run: preset, the experiment's keys, the run's, then what limits it to this machine."""
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


def folds_of(definition: Definition, request: Request) -> int:
    """How many folds: the request's, else the experiment's; 0 stays one split."""
    return request.limits.folds or definition.folds if definition.folds else 0


def settled(run: GridRun, manifest: Manifest) -> GridRun:
    """A run that takes phases which are here has their split in place of folds."""
    return replace(run, folds=0) if run.folds and _phases(run, manifest) is not None else run


def begin_grid(runs: list[GridRun], manifest: Manifest) -> None:
    """Write what every run will do, where it has not begun; a grid that was killed goes on with what stands there.

    Raises LymphoscopeError, one line, for wrong recipes and splits, before any training.
    """
    _check(runs, manifest)
    by_name = {run.name: run for run in runs}
    for run in runs:
        if run.folder.config.is_file():
            continue
        if run.tests:
            _begin_test(run, by_name[run.tests])
        elif run.folds:
            begin_folds(run.recipe, manifest, run.folder, run.folds)
        else:
            begin_training(run.recipe, _parts_of(run, manifest), run.folder)


def trainings(runs: list[GridRun]) -> list[Path]:
    """The folders of what is to be trained, in order."""
    return [part for run in runs if not run.tests for part in run.parts()]


def tests(runs: list[GridRun]) -> list[Path]:
    """The folders of what is tested in another way once its model is there."""
    return [part for run in runs if run.tests for part in run.parts()]


def _run(name: str, definition: Definition, request: Request) -> GridRun:
    run = definition.runs[name]
    folder = RunFolder(request.out / "runs" / name)
    recipe = recipe_of(definition, run, request)
    return GridRun(name, run, recipe, folder, folds_of(definition, request), run.test_time_of)


def _check(runs: list[GridRun], manifest: Manifest) -> None:
    from lymphoscope.training import check_recipe

    for backbone in {run.recipe.model.backbone: run for run in runs}.values():
        check_recipe(backbone.recipe, manifest.classes)


def _parts_of(run: GridRun, manifest: Manifest) -> Manifest:
    """The phases where the run takes some and they are here, else the cells as they are."""
    return _phases(run, manifest) or manifest


def _phases(run: GridRun, manifest: Manifest) -> Manifest | None:
    if run.definition.cells == "all":
        return None
    split = run.recipe.split
    return phase_split(manifest, run.definition.cells, validation=split.validation, seed=run.recipe.seed)


def _begin_test(run: GridRun, source: GridRun) -> None:
    for own, trained in _pairs(run, source):
        _, manifest = RunFolder(trained).read()
        write_json(own / SOURCE_OF_MODEL, {"run": str(trained)})
        RunFolder(own).begin(run.recipe, manifest)
    if run.folds:
        run.folder.begin(run.recipe, source.folder.read()[1])


def _pairs(run: GridRun, source: GridRun) -> Iterator[tuple[Path, Path]]:
    return iter(zip(run.parts(), source.parts(), strict=True))
