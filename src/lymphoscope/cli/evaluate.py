"""`lymphoscope evaluate`: a model and labelled cells -> predictions, numbers with intervals, a report."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from lymphoscope.cli.words import Data, Json, Out, SubjectPattern


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model folder: RUN/model.", show_default=False)],
    data: Data,
    out: Out,
    part: Annotated[
        Literal["all", "train", "validation", "test"] | None,
        typer.Option(help="Which part of the data's split; test where there is one, else all.", show_default=False),
    ] = None,
    erase: Annotated[
        Literal["always", "on_disagreement"],
        typer.Option(help="Run the erase stream always, or only where raw and crop disagree."),
    ] = "always",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    replicates: Annotated[int, typer.Option(min=100, help="Bootstrap replicates for the intervals.")] = 2000,
    subject_pattern: SubjectPattern = None,
    as_json: Json = False,
) -> None:
    """Judge a model on labelled cells: predictions.parquet, metrics.json and report.html in --out."""
    from lymphoscope.data import read_source
    from lymphoscope.inference import load
    from lymphoscope.runs import RunFolder, evaluate_run, part_to_judge

    manifest = read_source(data, subject_pattern=subject_pattern)
    judged = part_to_judge(manifest, part)
    loaded = load(model, device=device, erase=erase)
    folder = RunFolder(out)
    metrics = evaluate_run(loaded, manifest, folder, "Evaluation", part=judged, replicates=replicates)
    if as_json:
        typer.echo(metrics.model_dump_json(indent=2))
    else:
        typer.echo(f"report: {folder.report}")
    if metrics.failed:
        raise typer.Exit(3)
