"""`lymphoscope train`: cells and a recipe -> a model, judged on who was held out."""

from typing import Annotated

import typer

from lymphoscope.cli.words import AllowLeak, Json, Out, SubjectPattern
from lymphoscope.extras import require


def train(
    out: Out,
    data: Annotated[
        str | None, typer.Option("--data", metavar="SRC", help="Where the cells are.", show_default=False)
    ] = None,
    config: Annotated[
        str,
        typer.Option("--config", metavar="FILE", help="A recipe: a YAML file, or quick, baseline, paper or wsdan."),
    ] = "quick",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A.B=C", help="Corruption a key of the recipe; as often as wanted."),
    ] = None,
    folds: Annotated[int, typer.Option("--folds", min=0, help="Cross-validate with so many folds, by subject.")] = 0,
    final: Annotated[
        bool, typer.Option("--final", help="After the folds, train a model on all cells, with the scores of the folds.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out that was stopped.")] = False,
    allow_leak: AllowLeak = False,
    subject_pattern: SubjectPattern = None,
    as_json: Json = False,
) -> None:
    """Train a model, test it on held-out subjects, and write a report.

    The run folder holds the model, predictions, metrics.json and report.html. A run that was killed goes on with
    --resume from the end of its last whole epoch.
    """
    require("train", "training")
    from lymphoscope.runs import RunFolder, begin, finish

    folder = RunFolder(out)
    if not resume:
        begin(
            folder,
            data,
            config,
            overrides or [],
            folds,
            final=final,
            allow_leak=allow_leak,
            subject_pattern=subject_pattern,
        )
    metrics = finish(folder)
    if as_json:
        typer.echo(metrics.model_dump_json(indent=2) if metrics else "null")
