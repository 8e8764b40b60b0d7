"""`lymphoscope data segment`: cells with surroundings -> cells on black, with their masks."""

from typing import Annotated

import typer

from lymphoscope.cli.options import OutFolder, SubjectPattern
from lymphoscope.cli.source_option import SOURCE_HELP, Source
from lymphoscope.terminal import counted
from lymphoscope.vocabulary import ExitStatus


def segment_command(
    source: Source,
    out: OutFolder,
    size: Annotated[int, typer.Option(min=32, max=4096, help="Side of the images in pixels.")] = 450,
    zoom: Annotated[float, typer.Option(min=0.1, max=10.0, help="Factor by which cells are enlarged.")] = 1.0,
    stain: Annotated[str, typer.Option(metavar="METHOD", help="Stain normalisation, as in `data.stain`.")] = "none",
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="SRC",
            help="Reference cells: --stain changes the colours to theirs. " + SOURCE_HELP,
            show_default=False,
        ),
    ] = None,
    subject_pattern: SubjectPattern = None,
) -> None:
    """Write each cell on black in the middle of its image, as C-NMC has it, and the masks of nucleus and cytoplasm.

    A cell that cannot be read or segmented is named and left out, and the exit status is 3.
    """
    from lymphoscope.data import read_source
    from lymphoscope.smear.cells_on_black import segment_cells

    cells = read_source(source, subject_pattern=subject_pattern)
    done = segment_cells(
        cells,
        out,
        size=size,
        zoom=zoom,
        stain=stain,
        reference=None if reference is None else read_source(reference),
    )
    for line in done.left_out:
        typer.echo(line, err=True)
    typer.echo(f"{done.written:,} of {counted(len(cells), 'cell')}: {out}")
    if done.left_out:
        raise typer.Exit(ExitStatus.SOME_FAILED)
