"""`lymphoscope evaluate`: a model and labelled cells -> predictions, metrics with intervals, a report."""

from typing import Annotated

import typer

from lymphoscope.cli.answers import leak_comparison, print_metrics
from lymphoscope.cli.options import (
    AllowLeak,
    AsJson,
    BlastThreshold,
    Device,
    EraseOption,
    ModelOrRun,
    OutFolder,
    PartOption,
    Replicates,
    SubjectPattern,
)
from lymphoscope.cli.source_option import DataOption


def evaluate_command(
    model: ModelOrRun,
    out: OutFolder,
    data: DataOption = None,
    part: PartOption = None,
    allow_leak: AllowLeak = False,
    show_leak: Annotated[
        bool, typer.Option("--show-leak", help="Print the scores with and without the cells that leak.")
    ] = False,
    erase: EraseOption = "always",
    device: Device = "auto",
    replicates: Replicates = 2000,
    blast_threshold: BlastThreshold = 20.0,
    subject_pattern: SubjectPattern = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate a model on labelled cells.

    Writes predictions, metrics.json, model_card.md and report.html to --out. Cells that the model was trained on, near
    duplicates of them, and other cells of the same subjects are refused, unless --allow-leak or --show-leak is given.
    """
    from lymphoscope.api import evaluate

    metrics = evaluate(
        model,
        data,
        out=out,
        part=part,
        allow_leak=allow_leak,
        show_leak=show_leak,
        erase=erase,
        device=device,
        replicates=replicates,
        blast_threshold=blast_threshold,
        subject_pattern=subject_pattern,
    )
    if show_leak and not as_json:
        typer.echo(leak_comparison(metrics))
    print_metrics(metrics, out, as_json=as_json)
