"""`lymphoscope stress`: evaluate a model under image corruptions, and test what its attention maps show."""

from typing import Annotated, Literal

import typer

from lymphoscope.cli.answers import print_metrics
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


def stress_command(
    model: ModelOrRun,
    out: OutFolder,
    data: DataOption = None,
    part: PartOption = None,
    only: Annotated[
        Literal["corruptions", "saliency"] | None,
        typer.Option(
            "--only",
            help="Run only this test (default: both). corruptions predicts each cell 46 times; saliency needs PyTorch.",
            show_default=False,
        ),
    ] = None,
    max_cells: Annotated[
        int | None,
        typer.Option(
            "--max-cells", min=10, help="Maximum number of cells for the corruptions (default: all).",
            show_default=False,
        ),
    ] = None,
    allow_leak: AllowLeak = False,
    erase: EraseOption = "always",
    device: Device = "auto",
    replicates: Replicates = 2000,
    blast_threshold: BlastThreshold = 20.0,
    subject_pattern: SubjectPattern = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Evaluate a model, then test it under image corruptions and test its saliency maps.

    Writes the same files as `evaluate`; metrics.json and report.html also hold the results of the tests.
    """
    from lymphoscope.api import stress

    metrics = stress(
        model,
        data,
        out=out,
        part=part,
        tests=("corruptions", "saliency") if only is None else (only,),
        max_cells=max_cells,
        allow_leak=allow_leak,
        erase=erase,
        device=device,
        replicates=replicates,
        blast_threshold=blast_threshold,
        subject_pattern=subject_pattern,
    )
    print_metrics(metrics, out, as_json=as_json)
