"""What an experiment would run, and how long that may take from one measured step."""

from dataclasses import dataclass

from lymphoscope.data import Manifest
from lymphoscope.experiments.definition import load_definition
from lymphoscope.experiments.execution import state_of
from lymphoscope.experiments.grid import GridRun, grid_of, settled
from lymphoscope.experiments.grid_experiment import experiment_cells
from lymphoscope.experiments.request import Request
from lymphoscope.experiments.table3 import sizes


@dataclass(frozen=True)
class Planned:
    """A run of a plan: its trainings, epochs, steps an epoch, seconds a step, and the minutes that all may take."""

    name: str
    title: str
    trainings: int
    done: int
    epochs: int
    steps: int
    step_seconds: float
    minutes: float


def plan(request: Request) -> list[Planned]:
    """Every run of a grid with its estimate; one step of the cheapest is measured, the others follow its multiply-adds.

    Reading, validation and judging come on top. Raises LymphoscopeError as the experiment itself would.
    """
    from lymphoscope.training import measure_step

    definition = load_definition(request.name)
    if definition.kind != "grid":
        return []
    asked = grid_of(definition, request)
    manifest = experiment_cells(request)
    runs = [settled(run, manifest) for run in asked]
    classes = len(manifest.classes)
    work = {run.name: _work(run, classes) for run in runs}
    cheapest = min(runs, key=lambda run: work[run.name])
    seconds = measure_step(cheapest.recipe, classes, rounds=1).total / work[cheapest.name]
    return [_planned(run, manifest, seconds * work[run.name]) for run in runs]


def duration(minutes: float) -> str:
    """Minutes in the unit in which a person would say them."""
    for unit, size, most in (("min", 1, 120), ("hours", 60, 48 * 60)):
        if minutes < most:
            return f"{minutes / size:.1f} {unit}"
    return f"{minutes / (24 * 60):,.1f} days"


def _work(run: GridRun, classes: int) -> float:
    """Multiply-adds of a training step, in proportion: backward costs each run the same multiple."""
    size, batch = run.recipe.data.size, run.recipe.optimisation.batch_size
    return float(sizes(run.recipe.architecture(), classes, size)["multiply_adds_three"] * batch)


def _planned(run: GridRun, manifest: Manifest, step: float) -> Planned:
    cells = int(manifest.table["label"].notna().sum())
    split = run.recipe.split
    kept = (1 - 1 / run.folds if run.folds else 1 - split.test) * (1 - split.validation)
    steps = max(1, int(cells * kept) // run.recipe.optimisation.batch_size)
    epochs = run.recipe.optimisation.epochs
    parts = run.parts()
    done = sum(state_of(part)[0] == "done" for part in parts)
    trained = 0 if run.tests else len(parts) - done
    minutes = trained * epochs * steps * step / 60
    return Planned(run.name, run.definition.title, len(parts), done, epochs, steps, step, minutes)
