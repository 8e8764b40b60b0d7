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
from lymphoscope.cli.process import (
    OutputError,
    Stopped,
    describe_stop,
    discard_output,
    guard_streams,
    stop_on_signals,
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
    status = run() if guard_streams() else _print_error("standard output is closed: redirect it to a file or /dev/null")
    try:
        sys.stdout.flush()
    except OutputError as lost:
        status = _print_lost(lost)
    sys.exit(status)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line on `arguments` (default: those of the process) and return the exit status.

    An error that a user can fix becomes one line on standard error. Anything else is a bug and keeps its traceback.
    """
    try:
        with stop_on_signals():
            status = app(args=arguments, prog_name="lymphoscope", standalone_mode=False)
    except Stopped as stopped:
        print(describe_stop(stopped.status, _command(arguments)), file=sys.stderr)
        return stopped.status
    except OutputError as lost:
        return _print_lost(lost)
    except (LymphoscopeError, typer.TyperException, ModuleNotFoundError, OSError) as error:
        line = _explain(error)
        if line is None:
            raise
        return _print_error(line)
    if status == ExitStatus.INTERRUPTED:
        print(describe_stop(status, _command(arguments)), file=sys.stderr)
    return status if isinstance(status, int) else ExitStatus.DONE


def _command(arguments: list[str] | None) -> str | None:
    return next((one for one in (sys.argv[1:] if arguments is None else arguments) if not one.startswith("-")), None)


def _print_lost(lost: OutputError) -> int:
    discard_output()
    if str(lost):
        _print_error(str(lost))
    return lost.status


def _print_error(line: str) -> int:
    print(f"lymphoscope: error: {line}", file=sys.stderr)
    return ExitStatus.USAGE


def _explain(error: Exception) -> str | None:
    """Return the line for an error that a user can fix; None for a bug."""
    if isinstance(error, LymphoscopeError):
        return " ".join(str(error).split())
    if isinstance(error, typer.TyperException):
        return _explain_usage(error)
    if isinstance(error, ModuleNotFoundError):
        missing = explain_missing(error)
        return None if missing is None else str(missing)
    return _explain_path(error) if isinstance(error, OSError) else None


def _explain_usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    line = " ".join(error.format_message().split())
    if line.startswith("No such option: -") and not line.startswith("No such option: --"):
        line += ". If it begins the name of a file, put -- before the files."
    return f"{line} Try '{context.command_path} --help'." if context else line


def _explain_path(error: OSError) -> str | None:
    name = error.filename2 or error.filename  # for a rename, the target
    if error.errno in FULL_DISK:
        where = f" while writing {name}" if name else ""
        return f"no space left on device{where}: free some space or choose another --out"
    if error.errno in PATH_ERRORS:
        return f"{error.strerror}: {name}" if name else str(error)
    return None
