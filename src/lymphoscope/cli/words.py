"""Arguments and options that several commands share, so that they read the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

SOURCE_HELP = (
    "Where the cells are: a C-NMC folder, a folder with a folder a class, or a CSV or Parquet table. "
    "Write cnmc:PATH, folders:PATH or table:PATH where the kind is not clear."
)

Source = Annotated[str, typer.Argument(metavar="SRC", help=SOURCE_HELP, show_default=False)]
Data = Annotated[str, typer.Option("--data", metavar="SRC", help=SOURCE_HELP, show_default=False)]
SubjectPattern = Annotated[
    str | None,
    typer.Option(
        "--subject-pattern",
        metavar="REGEX",
        help="Where a path names its subject: a regular expression with a group called subject, "
        r"for example '(?P<subject>S\d+)_'.",
        show_default=False,
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder to write to.", show_default=False)]
AllowLeak = Annotated[
    bool,
    typer.Option("--allow-leak", help="Go on though cells or subjects stand on both sides; every page then says so."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same answer.")]
