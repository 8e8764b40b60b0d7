"""The `lymphoscope` command: gathers the commands, and turns what a person can mend into one line."""

import errno
import sys
from typing import Annotated

import typer

import lymphoscope
from lymphoscope.cli import compare, data, demo, doctor, evaluate, explain, export, predict, reproduce, train
from lymphoscope.errors import LymphoscopeError
from lymphoscope.extras import why_absent
from lymphoscope.vocabulary import ExitStatus

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
IN_THE_WAY = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EROFS)

app = typer.Typer(
    name="lymphoscope",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo", short_help="The whole way in minutes: train, judge, report.")(demo.demo)
app.add_typer(data.app, name="data", short_help="Audit and split cells, make synthetic ones.")
app.command("train", short_help="Train a model and test it on held-out subjects.")(train.train)
app.command("evaluate", short_help="Judge a model on labelled cells.")(evaluate.evaluate)
app.command("compare", short_help="Compare two predictions of the same cells.")(compare.compare)
app.command("predict", short_help="Classify cells: scores, votes, when to look.")(predict.predict)
app.command("explain", short_help="Show what each stream saw of a cell.")(explain.explain)
app.command("reproduce", short_help="Run a table or figure of the paper again.")(reproduce.reproduce)
app.command("export", short_help="Write a model for runtimes without torch.")(export.export)
app.command("doctor", short_help="Versions, devices, free disk, a self-test.")(doctor.doctor)


@app.callback(invoke_without_command=True)
def about(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Tell lymphoblasts from other white cells in images of blood smears, and show what was looked at.

    Research software, not a medical device.
    """
    if version:
        typer.echo(f"lymphoscope {lymphoscope.__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(ExitStatus.USAGE)


def main() -> None:
    """Run the command line and end the process: 0 done, 1 a fault of ours, 2 wrong words, 3 some inputs failed."""
    sys.exit(run())


def run(words: list[str] | None = None) -> int:
    """Run the command line on `words` (those of the process by default); return the exit status.

    What a person can mend becomes one line on standard error; anything else is raised on, with its traceback.
    """
    try:
        status = app(args=words, prog_name="lymphoscope", standalone_mode=False)
    except ModuleNotFoundError as error:
        absent = why_absent(error)
        if absent is None:
            raise
        return _refuse(str(absent))
    except (LymphoscopeError, typer.TyperException) as error:
        return _refuse(_one_line(error))
    except OSError as error:
        if error.errno not in (*FULL_DISK, *IN_THE_WAY):
            raise
        return _refuse(_of_the_disk(error))
    if status == ExitStatus.INTERRUPTED:
        print("lymphoscope: interrupted", file=sys.stderr)
    return status if isinstance(status, int) else 0


def _refuse(line: str) -> int:
    print(f"lymphoscope: error: {line}", file=sys.stderr)
    return ExitStatus.USAGE


def _one_line(error: LymphoscopeError | typer.TyperException) -> str:
    if isinstance(error, LymphoscopeError):
        return " ".join(str(error).split())
    context = getattr(error, "ctx", None)
    line = " ".join(error.format_message().split())
    return f"{line} Try '{context.command_path} --help'." if context else line


def _of_the_disk(error: OSError) -> str:
    name = error.filename2 or error.filename  # of a move, where to
    if error.errno in FULL_DISK:
        where = f" while writing {name}" if name else ""
        return f"no space left on device{where}: free some space or choose another --out"
    return f"{error.strerror}: {name}" if name else str(error)
