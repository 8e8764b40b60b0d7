"""Arguments and options that several commands share, declared once so that they read the same everywhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lymphoscope.errors import LymphoscopeError
from lymphoscope.vocabulary import ErasePolicy, Precision

if TYPE_CHECKING:
    from lymphoscope.review.database import Database

Part = Literal["all", "train", "validation", "test"]

SubjectPattern = Annotated[
    str | None,
    typer.Option(
        "--subject-pattern",
        metavar="REGEX",
        help="How to read the subject from a path: a regular expression with a group named subject, "
        r"for example '(?P<subject>S\d+)_'.",
        show_default=False,
    ),
]
PartOption = Annotated[
    Part | None,
    typer.Option(
        "--part", help="Part of the data's split to use (default: test if the data are split, else all).",
        show_default=False,
    ),
]  # fmt: skip
OutFolder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Output folder.", show_default=False)]
AllowLeak = Annotated[
    bool, typer.Option("--allow-leak", help="Continue despite train/test leakage; the report is marked.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Random seed. The same seed gives the same output.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a key of the recipe, such as optimisation.epochs=20. May be repeated.",
    ),
]

ModelOrRun = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A model folder, such as RUN/model, or the name of a model that ships. With the RUN folder of a "
        "cross-validation, each fold's model is evaluated on its own held-out cells, and --data is left out.",
        show_default=False,
    ),
]
Replicates = Annotated[
    int, typer.Option("--replicates", min=100, help="Number of bootstrap samples for the confidence intervals.")
]
BlastThreshold = Annotated[
    float,
    typer.Option(
        "--blast-threshold", min=0.1, max=99.9, help="Percentage of blasts that each subject is compared with."
    ),
]

PathsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="[MODEL] PATH...",
        help="Image files, folders of images, or a CSV or Parquet manifest; local paths or addresses such as "
        "s3://bucket/cells. A model folder may come first. Without a model, the default model that ships is used.",
        show_default=False,
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="A model folder, or the name of a model that ships (see `lymphoscope models`).",
        show_default=False,
    ),
]  # fmt: skip
Device = Annotated[str, typer.Option("--device", help="Device: auto, cpu, cuda, cuda:1 or mps.")]
PrecisionOption = Annotated[
    Precision,
    typer.Option("--precision", help="Arithmetic of the network. int8 needs a model that was exported in int8."),
]
EraseOption = Annotated[
    ErasePolicy,
    typer.Option(
        "--erase",
        help="When to run the erase stream. on_disagreement is faster and changes no label. Where raw and crop agree, "
        "the erase scores are empty, the score is the mean of two, and fewer cells are referred because streams "
        "disagree.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="Threads of the network (default: one per processor).", show_default=False),
]
AllowRemote = Annotated[
    bool,
    typer.Option(
        "--allow-remote",
        help="Fetch cells whose path in a table is an address such as s3://bucket/cell.png. Addresses that are given "
        "as PATH are always fetched.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Threads that read image files (default: up to 4).", show_default=False),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="FILE|URL",
        envvar="LYMPHOSCOPE_REVIEW_DATABASE",
        help="Database of the review: a file (SQLite), or postgresql://user@host/name. `review DIR` has DIR/review.db "
        "by default.",
        show_default=False,
    ),
]


@contextmanager
def review_database(address: str | None, *, create: bool = False) -> Iterator["Database"]:
    """Open the database of `--database`; with `create`, make it and bring its tables up to date.

    Raises LymphoscopeError where the option is missing or nothing is there.
    """
    from lymphoscope.review.database import open_database
    from lymphoscope.review.migrate import upgrade

    if address is None:
        raise LymphoscopeError("--database: give the file of the review, for example DIR/review.db")
    if not create and "://" not in address and not Path(address).is_file():
        raise LymphoscopeError(f"{address}: no such database: `lymphoscope review DIR` makes it")
    database = open_database(address)
    try:
        if create:
            upgrade(database)
        yield database
    finally:
        database.close()
