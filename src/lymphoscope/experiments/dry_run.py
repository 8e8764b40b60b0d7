"""What an experiment would run, and an estimate of how long that takes from one measured training step."""

from dataclasses import dataclass

from lymphoscope.data import Manifest
from lymphoscope.experiments.cell_selection import experiment_cells
from lymphoscope.experiments.counts import network_counts
from lymphoscope.experiments.definition import load_definition
from lymphoscope.experiments.execution import state_of
from lymphoscope.experiments.grid import GridRun, build_grid, resolve_split
from lymphoscope.experiments.request import Request


@dataclass(frozen=True)
class PlannedRun:
    """A planned run: its trainings, epochs, steps per epoch, seconds per step, and minutes in total."""

    name: str
    title: str
    trainings: int
    done: int
    epochs: int
    steps: int
    step_seconds: float
    minutes: float


def plan(request: Request) -> list[PlannedRun]:
    """Every run of a grid with its estimate. One step of the cheapest is measured; the others scale by multiply-adds.

    Reading, validation and evaluation take extra time. Raises LymphoscopeError as the experiment itself would.
    """
    from lymphoscope.training import measure_step

    definition = load_definition(request.name)
    if definition.figure or definition.frozen_heads:
        return []
    unresolved = build_grid(definition, request)
    manifest = experiment_cells(request)
    runs = [resolve_split(run, manifest) for run in unresolved]
    num_classes = len(manifest.classes)
    work = {run.name: _multiply_adds_per_step(run, num_classes) for run in runs}
    cheapest = min(runs, key=lambda run: work[run.name])
    seconds = measure_step(cheapest.recipe, num_classes, rounds=1).total / work[cheapest.name]
    return [_plan_run(run, manifest, seconds * work[run.name]) for run in runs]


def format_duration(minutes: float) -> str:
    """Minutes in a readable unit."""
    for unit, size, limit in (("min", 1, 120), ("hours", 60, 48 * 60)):
        if minutes < limit:
            return f"{minutes / size:.1f} {unit}"
    return f"{minutes / (24 * 60):,.1f} days"


def _multiply_adds_per_step(run: GridRun, num_classes: int) -> float:
    """Multiply-adds of the forward passes of a step; the backward pass costs every run the same multiple."""
    size, batch = run.recipe.data.size, run.recipe.optimisation.batch_size
    return float(network_counts(run.recipe.architecture(), num_classes, size)["multiply_adds_three"] * batch)


def _plan_run(run: GridRun, manifest: Manifest, step_seconds: float) -> PlannedRun:
    cells = int(manifest.table["label"].notna().sum())
    split = run.recipe.split
    in_training = (1 - 1 / run.folds if run.folds else 1 - split.test) * (1 - split.validation)
    steps = max(1, int(cells * in_training) // run.recipe.optimisation.batch_size)
    epochs = run.recipe.optimisation.epochs
    parts = run.parts()
    done = sum(state_of(part)[0] == "done" for part in parts)
    to_train = 0 if run.tests else len(parts) - done
    minutes = to_train * epochs * steps * step_seconds / 60
    return PlannedRun(run.name, run.definition.title, len(parts), done, epochs, steps, step_seconds, minutes)
