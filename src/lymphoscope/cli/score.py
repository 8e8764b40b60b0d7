"""`lymphoscope score`: a table of predictions -> metrics with intervals and a report. Needs no model and no images."""

from pathlib import Path
from typing import Annotated

import typer

from lymphoscope.cli.answers import print_metrics
from lymphoscope.cli.options import (
    AsJson,
    BlastThreshold,
    OutFolder,
    PartOption,
    Replicates,
    SubjectPattern,
)


def score_command(
    predictions: Annotated[
        Path, typer.Argument(metavar="PREDICTIONS", help="Predictions, .csv or .parquet.", show_default=False)
    ],
    out: OutFolder,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="SRC",
            help="Take labels and subjects from here, joined by path: cells as for `lymphoscope evaluate --data`.",
            show_default=False,
        ),
    ] = None,
    part: PartOption = None,
    blast_class: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Class that counts as positive for sensitivity (default: the one named all, blast or lymphoblast).",
            show_default=False,
        ),
    ] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="State that the model was not trained on any of these subjects.")
    ] = False,
    replicates: Replicates = 2000,
    blast_threshold: BlastThreshold = 20.0,
    subject_pattern: SubjectPattern = None,
    as_json: AsJson = False,
) -> None:
    """Score a table of predictions: the same metrics as `evaluate`, without model or images.

    Writes metrics.json and report.html to --out.
    """
    from lymphoscope.api import score

    metrics = score(
        predictions,
        data,
        out=out,
        part=part,
        blast_class=blast_class,
        held_out=held_out,
        replicates=replicates,
        blast_threshold=blast_threshold,
        subject_pattern=subject_pattern,
    )
    print_metrics(metrics, out, as_json=as_json)
