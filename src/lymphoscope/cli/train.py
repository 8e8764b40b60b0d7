"""`lymphoscope train`: cells and a recipe -> a model, evaluated on held-out subjects."""

from typing import Annotated

import typer

from lymphoscope.cli.options import AllowLeak, AsJson, OutFolder, Overrides, SubjectPattern
from lymphoscope.cli.source_option import DataOption


def train_command(
    out: OutFolder,
    data: DataOption = None,
    config: Annotated[
        str,
        typer.Option("--config", metavar="RECIPE", help="A YAML file, or transfer, quick, baseline, paper or wsdan."),
    ] = "transfer",
    overrides: Overrides = None,
    folds: Annotated[
        int, typer.Option("--folds", min=0, help="Number of cross-validation folds, by subject. 0: a single run.")
    ] = 0,
    final: Annotated[
        bool,
        typer.Option(
            "--final", help="After the folds, train a model on all cells; it carries the scores of the folds."
        ),
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the unfinished run in --out.")] = False,
    allow_leak: AllowLeak = False,
    subject_pattern: SubjectPattern = None,
    as_json: AsJson = False,
) -> None:
    """Train a model, evaluate it on held-out subjects, and write a report.

    --out receives the model, predictions, metrics.json and report.html. An interrupted run continues with --resume,
    from the end of its last complete epoch.
    """
    from lymphoscope.api import train

    metrics = train(
        data,
        out,
        recipe=config,
        overrides=overrides or (),
        folds=folds,
        final=final,
        resume=resume,
        allow_leak=allow_leak,
        subject_pattern=subject_pattern,
    )
    if as_json:
        typer.echo(metrics.model_dump_json(indent=2) if metrics else "null")
