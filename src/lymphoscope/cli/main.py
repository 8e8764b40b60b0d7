"""The `lymphoscope` command: registers the commands, and turns errors that a user can fix into one line."""

import errno
import sys
from typing import Annotated

import typer

from lymphoscope.cli import (
    compare,
    data,
    demo,
    doctor,
    evaluate,
    explain,
    export,
    models,
    predict,
    reproduce,
    score,
    stress,
    train,
)
from lymphoscope.errors import LymphoscopeError
from lymphoscope.extras import explain_missing
from lymphoscope.vocabulary import ExitStatus

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
PATH_ERRORS = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EROFS)

app = typer.Typer(
    name="lymphoscope",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo", short_help="Run every step once, in minutes.")(demo.demo_command)
app.add_typer(data.app, name="data", short_help="Audit and split cells; generate synthetic ones.")
app.command("models", short_help="List the models that ship.")(models.models_command)
app.command("train", short_help="Train a model and evaluate it on held-out subjects.")(train.train_command)
app.command("predict", short_help="Classify cells.")(predict.predict_command)
app.command("evaluate", short_help="Evaluate a model on labelled cells.")(evaluate.evaluate_command)
app.command("score", short_help="Compute the same metrics from a table of predictions.")(score.score_command)
app.command("stress", short_help="Test a model under corruptions; test its saliency maps.")(stress.stress_command)
app.command("compare", short_help="Compare two prediction tables of the same cells.")(compare.compare_command)
app.command("explain", short_help="Show what each stream received.")(explain.explain_command)
app.command("export", short_help="Write a model for runtimes without torch.")(export.export_command)
app.command("reproduce", short_help="Rerun a table or figure of the paper.")(reproduce.reproduce_command)
app.command("doctor", short_help="Show versions and devices; run a self-test.")(doctor.doctor_command)


@app.callback(invoke_without_command=True)
def root_command(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Tell lymphoblasts from other white cells in images of blood smears, and show what the model attended to.

    Research software, not a medical device.
    """
    if version:
        from lymphoscope.version import __version__

        typer.echo(f"lymphoscope {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(ExitStatus.USAGE)


def main() -> None:
    """Run the command line and exit the process with an `ExitStatus`."""
    sys.exit(run())


def run(arguments: list[str] | None = None) -> int:
    """Run the command line on `arguments` (default: those of the process) and return the exit status.

    An error that a user can fix becomes one line on standard error. Anything else is a bug and keeps its traceback.
    """
    try:
        status = app(args=arguments, prog_name="lymphoscope", standalone_mode=False)
    except ModuleNotFoundError as error:
        missing = explain_missing(error)
        if missing is None:
            raise
        return _print_error(str(missing))
    except (LymphoscopeError, typer.TyperException) as error:
        return _print_error(_one_line(error))
    except OSError as error:
        if error.errno not in (*FULL_DISK, *PATH_ERRORS):
            raise
        return _print_error(_describe(error))
    if status == ExitStatus.INTERRUPTED:
        print("lymphoscope: interrupted", file=sys.stderr)
    return status if isinstance(status, int) else ExitStatus.DONE


def _print_error(line: str) -> int:
    print(f"lymphoscope: error: {line}", file=sys.stderr)
    return ExitStatus.USAGE


def _one_line(error: LymphoscopeError | typer.TyperException) -> str:
    if isinstance(error, LymphoscopeError):
        return " ".join(str(error).split())
    context = getattr(error, "ctx", None)
    line = " ".join(error.format_message().split())
    return f"{line} Try '{context.command_path} --help'." if context else line


def _describe(error: OSError) -> str:
    name = error.filename2 or error.filename  # for a rename, the target
    if error.errno in FULL_DISK:
        where = f" while writing {name}" if name else ""
        return f"no space left on device{where}: free some space or choose another --out"
    return f"{error.strerror}: {name}" if name else str(error)
