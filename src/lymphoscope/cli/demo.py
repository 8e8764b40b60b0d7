"""`lymphoscope demo`: audit, split, train, evaluate, explain and report, in minutes on two cores."""

from pathlib import Path
from typing import Annotated

import typer

from lymphoscope.cli.options import AllowLeak, SubjectPattern
from lymphoscope.cli.source_option import SOURCE_HELP
from lymphoscope.extras import require


def demo_command(
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="SRC", help=f"{SOURCE_HELP} Default: synthetic cells.", show_default=False),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Output folder.")] = Path("runs/demo"),
    allow_leak: AllowLeak = False,
    subject_pattern: SubjectPattern = None,
) -> None:
    """Run every step once: audit, split by subject, train, evaluate on held-out subjects, explain, report.

    Takes minutes on two cores. The scores of such a small model say nothing about the method.
    """
    require("train", "the demo")
    from lymphoscope.runs import RunFolder, run_demo

    folder = RunFolder(out)
    run_demo(folder, data, subject_pattern, allow_leak=allow_leak)
    typer.echo(f"open {folder.report.resolve()}")
