"""From a request to a result: prepare the runs, execute them, build the table, and write page, CSV and JSON."""

from collections.abc import Callable, Sequence
from pathlib import Path

from lymphoscope.data import Manifest
from lymphoscope.experiments import charts, figures, table2, table3
from lymphoscope.experiments.cell_selection import check_cells_are_named, experiment_cells
from lymphoscope.experiments.columns import FinishedGrid, column
from lymphoscope.experiments.definition import Definition, load_definition
from lymphoscope.experiments.frozen_grid import execute_frozen
from lymphoscope.experiments.grid import (
    GridRun,
    begin_grid,
    build_grid,
    resolve_split,
    test_folders,
    training_folders,
)
from lymphoscope.experiments.output import write_result
from lymphoscope.experiments.request import Request, check_output_folder, describe_cells, describe_limits
from lymphoscope.experiments.result import Result
from lymphoscope.experiments.scheduling import execute_all, report_progress
from lymphoscope.experiments.table import build_table, compare_runs, constant_baselines, finished_runs, run_states
from lymphoscope.runs import current_provenance

Addition = Callable[[Result, FinishedGrid], Result]

ADDITIONS: dict[str, Addition] = {
    "scores_chart": charts.add_scores_chart,
    "depth_chart": charts.add_depth_chart,
    "error_chart": charts.add_error_chart,
    "challenge_submission": table2.add_submission,
    "missing_phases": table2.add_missing_phases,
    "counts": table3.add_counts,
}
"""What a definition may add to the table of its grid, by name."""

FIGURES: dict[str, Callable[[Result, Request, Manifest], Result]] = {
    "embedding": figures.draw_embedding,
    "streams": figures.draw_streams,
    "vote": figures.draw_vote,
}
"""How a definition may draw a figure of cells, by name."""


def reproduce(request: Request) -> tuple[Result, Path]:
    """Run an experiment, or resume one that was interrupted, and write its result; return it and its page.

    Raises LymphoscopeError, one line, before any work: invalid options, no cells, or a folder with another experiment.
    """
    definition = load_definition(request.name)
    check_cells_are_named(request)
    check_output_folder(request)
    result = _draw_figure(definition, request) if definition.figure else _run_grid(definition, request)
    result = _with_provenance(result)
    return result, write_result(result, request.out)


def count_only(request: Request) -> Result:
    """Table 3's counts beside the paper's; no data needed. Raises LymphoscopeError for other experiments."""
    return _with_provenance(table3.count_result(request))


def _run_grid(definition: Definition, request: Request) -> Result:
    """Execute what is not done of a grid, then build the result from all of it."""
    unresolved = build_grid(definition, request)  # invalid recipes are refused before the cells are read
    manifest = experiment_cells(request)
    runs = [resolve_split(run, manifest) for run in unresolved]
    if definition.frozen_heads:
        execute_frozen(runs, manifest, report_progress)
    else:
        begin_grid(runs, manifest)
        execute_all(training_folders(runs), jobs=request.jobs, ray=request.ray)
        execute_all(test_folders(runs), jobs=request.jobs, ray=request.ray)
    return _grid_result(definition, request, runs, manifest)


def _grid_result(definition: Definition, request: Request, runs: Sequence[GridRun], manifest: Manifest) -> Result:
    finished = finished_runs(runs, len(manifest.classes))
    result = _empty_result(definition, request, manifest).model_copy(
        update={
            "columns": [column(key) for key in definition.columns],
            "rows": build_table(runs, finished, definition.columns),
            "comparisons": compare_runs(finished, definition),
            "facts": [*definition.facts, *constant_baselines(finished)],
            "runs": run_states(runs, request),
        }
    )
    grid = FinishedGrid(request, manifest, {name: of_name[0] for name, of_name in finished.items()})
    for name in definition.additions:
        result = ADDITIONS[name](result, grid)
    return result


def _draw_figure(definition: Definition, request: Request) -> Result:
    manifest = experiment_cells(request)
    return FIGURES[str(definition.figure)](_empty_result(definition, request, manifest), request, manifest)


def _empty_result(definition: Definition, request: Request, manifest: Manifest) -> Result:
    return Result(
        name=request.name,
        title=definition.title,
        claim=definition.claim,
        protocol=definition.protocol,
        limited=describe_limits(request, definition, manifest),
        data=describe_cells(manifest),
    )


def _with_provenance(result: Result) -> Result:
    """The result with the command, commit, device and date that made it."""
    made = current_provenance()
    facts = {"command": made.command, "commit": made.commit, "device": made.device, "date": made.date}
    return result.model_copy(update=facts)
