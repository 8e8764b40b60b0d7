"""The cells of a source, as argument and option. Their help lists the sources; commands that read none do without."""

from typing import Annotated

import typer

from lymphoscope.data.sources import source_names

SOURCE_HELP = (
    "The cells: a C-NMC folder, a folder with one subfolder per class, or a CSV or Parquet table. "
    f"Write NAME:PATH with {', '.join(source_names())} to choose the format yourself."
)

Source = Annotated[str, typer.Argument(metavar="SRC", help=SOURCE_HELP, show_default=False)]
DataOption = Annotated[str | None, typer.Option("--data", metavar="SRC", help=SOURCE_HELP, show_default=False)]
