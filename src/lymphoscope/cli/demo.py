"""`lymphoscope demo`: the whole way, in minutes on two cores."""

from pathlib import Path
from typing import Annotated

import typer

from lymphoscope.cli.words import SOURCE_HELP, AllowLeak, SubjectPattern
from lymphoscope.extras import require


def demo(
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="SRC", help=f"{SOURCE_HELP} Synthetic cells without it.", show_default=False),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The run folder.")] = Path("runs/demo"),
    allow_leak: AllowLeak = False,
    subject_pattern: SubjectPattern = None,
) -> None:
    """Show the whole way: audit, split by subject, train, judge who was held out, explain, report.

    Takes minutes on two cores. What the small model scores is no measure of the method.
    """
    require("train", "the demo, which trains,")
    from lymphoscope.runs import RunFolder, demo as run_demo

    folder = RunFolder(out)
    run_demo(folder, data, subject_pattern, allow_leak=allow_leak)
    typer.echo(f"open {folder.report.resolve()}")
