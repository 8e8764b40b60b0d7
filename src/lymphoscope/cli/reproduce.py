"""`lymphoscope reproduce`: rerun one table or figure of the paper and compare with the published numbers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lymphoscope.cli.options import AsJson, Overrides, SubjectPattern
from lymphoscope.cli.source_option import DataOption
from lymphoscope.errors import LymphoscopeError
from lymphoscope.terminal import counted
from lymphoscope.vocabulary import ExitStatus

if TYPE_CHECKING:
    from lymphoscope.experiments import Request


def reproduce_command(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="table1 to table4, figure2 to figure7, ablations, split, claim; or ledger: write reproduction.md.",
            show_default=False,
        ),
    ],
    data: DataOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Output folder.", show_default="runs/NAME")
    ] = None,
    counts_only: Annotated[
        bool,
        typer.Option(
            "--counts-only",
            help="Only compare the parameter counts of Table 3; needs no data. With --out, write a page too.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the runs with an estimate of their duration.")
    ] = False,
    limit_epochs: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of epochs per training.", show_default=False)
    ] = None,
    limit_cells: Annotated[
        int | None, typer.Option(min=4, help="Maximum number of cells, evenly over classes.", show_default=False)
    ] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Number of folds (default: 5).", show_default=False)] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Trainings per run with different seeds and folds; tests then compare the methods, not the models.",
            show_default="as the experiment",
        ),
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(metavar="NAME", help="Use this backbone for every run.", show_default=False)
    ] = None,
    overrides: Overrides = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="ROW", help="Run only this row of the grid. May be repeated.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="MODEL", help="Model folder for figures 2 to 5.", show_default=False),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Number of runs in parallel on this machine.")] = 1,
    ray: Annotated[
        bool, typer.Option("--ray", help="Distribute the runs with Ray Tune over several machines or GPUs.")
    ] = False,
    subject_pattern: SubjectPattern = None,
    as_json: AsJson = False,
) -> None:
    """Rerun a table or figure of the paper, and write the results beside the published numbers.

    Writes NAME.html, NAME.csv and NAME.json, and a folder for each run; an unfinished rerun continues. If a run fails
    it is marked, the others finish, and the exit status is 3.
    """
    from lymphoscope.experiments import Limits, Request

    limits = Limits(limit_epochs, limit_cells, folds, backbone, tuple(overrides or ()))
    folder = out or Path("runs") / name
    request = Request(name, data, folder, limits, model, subject_pattern, tuple(only or ()), jobs, ray, seeds)
    if name == "ledger":
        _ledger(out or Path("docs"))
    elif counts_only:
        _counts(request, out, as_json=as_json)
    elif dry_run:
        _plan(request, as_json=as_json)
    else:
        _run(request, as_json=as_json)


def _run(request: "Request", *, as_json: bool) -> None:
    from lymphoscope.experiments import as_text, reproduce as run

    result, page = run(request)
    if as_json:
        typer.echo(result.model_dump_json(indent=2))
    else:
        typer.echo(f"{as_text(result)}\npage: {page}")
    if any(state.state == "failed" for state in result.runs):
        raise typer.Exit(ExitStatus.SOME_FAILED)


def _counts(request: "Request", out: Path | None, *, as_json: bool) -> None:
    from lymphoscope.experiments import as_text, count_only, write_result

    result = count_only(request)
    page = [f"page: {write_result(result, out)}"] if out else []
    typer.echo(result.model_dump_json(indent=2) if as_json else "\n".join([as_text(result), *page]))


def _plan(request: "Request", *, as_json: bool) -> None:
    import json
    from dataclasses import asdict

    from lymphoscope.experiments import format_duration, plan

    planned = plan(request)
    if as_json:
        typer.echo(json.dumps([asdict(run) for run in planned], indent=2))
        return
    for run in planned:
        done = f", {run.done} done" if run.done else ""
        typer.echo(
            f"{run.name:24} {counted(run.trainings, 'training')}{done}, {counted(run.epochs, 'epoch')} of "
            f"{counted(run.steps, 'step')} of {run.step_seconds:.2f} s: about {format_duration(run.minutes)}"
        )
    total = sum(run.minutes for run in planned)
    typer.echo(f"{'all':24} about {format_duration(total)} of training steps on this machine at its current load.")
    typer.echo(
        "One step of the cheapest run was measured; the others are scaled by multiply-adds. Reading images, validation "
        "and evaluation are not included; early stopping may save epochs."
    )


def _ledger(folder: Path) -> None:
    from lymphoscope.experiments import write_ledger

    if not folder.is_dir():
        raise LymphoscopeError(f"{folder}: no such folder: set --out to the documentation folder")
    typer.echo(f"wrote {write_ledger(folder)}")
