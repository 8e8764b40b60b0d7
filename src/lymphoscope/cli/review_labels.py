"""`lymphoscope review export-labels` and `review next`: what people labelled, and what to label next."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from lymphoscope.cli.options import AsJson, DatabaseOption, review_database


def export_labels_command(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Manifest, .csv or .parquet.", show_default=False)],
    database: DatabaseOption = None,
    part: Annotated[
        Literal["all", "blind", "shown"],
        typer.Option(
            help="blind: only labels that were given without the model's suggestion in sight, and so without bias; "
            "shown: only the others."
        ),
    ] = "all",
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Take the labels of unsigned cases as well.")] = False,
) -> None:
    """Write the confirmed labels as a manifest for `train` and `evaluate`, with who gave them and when."""
    from lymphoscope.review.label_export import export_labels

    with review_database(database) as opened:
        typer.echo(export_labels(opened, out, part=part, unsigned=unsigned).in_words())


def next_command(
    count: Annotated[int, typer.Option("--count", min=1, help="Number of cells.")] = 50,
    database: DatabaseOption = None,
    as_json: AsJson = False,
) -> None:
    """List the cells to label next: uncertain ones that differ from each other, and a random fifth."""
    from lymphoscope.review.label_export import cells_to_label

    with review_database(database) as opened:
        cells = cells_to_label(opened, count)
    if as_json:
        typer.echo(json.dumps(cells, indent=2, ensure_ascii=False))
        return
    if not cells:
        typer.echo("no cell of an unsigned case is left to label", err=True)
    for cell in cells:
        typer.echo(f"{cell['rank']:6}  {cell['page']}  {cell['cell_id']}")
