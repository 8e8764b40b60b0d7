"""An experiment that trains: begin the grid, bring every run to its end, collect the result."""

from typing import Any

from lymphoscope.data import Manifest, read_source, with_fingerprints
from lymphoscope.errors import LymphoscopeError
from lymphoscope.experiments import extras
from lymphoscope.experiments.cells import limited
from lymphoscope.experiments.collect import columns_of, comparisons_of, constants_of, pooled, rows_of, states_of
from lymphoscope.experiments.definition import Definition, load_definition
from lymphoscope.experiments.execution import execute_all
from lymphoscope.experiments.grid import GridRun, begin_grid, grid_of, settled, tests, trainings
from lymphoscope.experiments.request import Request, data_words, limits_in_words
from lymphoscope.experiments.result import Result


def run_grid(request: Request) -> Result:
    """Do what is not done of a grid, then collect all of it.

    Raises LymphoscopeError, one line, before any training: no cells, wrong recipes, too few subjects for the folds.
    """
    definition = load_definition(request.name)
    asked = grid_of(definition, request)
    manifest = experiment_cells(request)
    runs = [settled(run, manifest) for run in asked]
    begin_grid(runs, manifest)
    execute_all(trainings(runs), jobs=request.jobs, ray=request.ray)
    execute_all(tests(runs), jobs=request.jobs, ray=request.ray)
    return _collected(definition, request, runs, manifest)


def experiment_cells(request: Request) -> Manifest:
    """The cells of a request, limited as it says, with what splits need read once for all runs."""
    if request.data is None:
        raise LymphoscopeError(f"{request.name} needs cells: name them with --data SRC")
    manifest = limited(read_source(request.data, subject_pattern=request.subject_pattern), request.limits.cells)
    return with_fingerprints(manifest)


def _collected(definition: Definition, request: Request, runs: list[GridRun], manifest: Manifest) -> Result:
    done = pooled(runs, len(manifest.classes))
    parts: dict[str, Any] = {
        "name": request.name,
        "title": definition.title,
        "claim": definition.claim,
        "protocol": definition.protocol,
        "limited": limits_in_words(request, definition, manifest),
        "missing": [],
        "columns": columns_of(definition),
        "rows": rows_of(runs, done, definition),
        "comparisons": comparisons_of(done, definition),
        "facts": [*definition.facts, *constants_of(done)],
        "runs": states_of(runs, request),
        "data": data_words(manifest),
    }
    return extras.added(Result.model_validate(parts), request, done, manifest)
