"""The `lymphoscope` command: registers the commands, and turns errors that a user can fix into one line."""

import errno
import sys
from collections.abc import Iterator, MutableMapping
from importlib import import_module
from types import MappingProxyType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from lymphoscope.cli.process import (
    OutputError,
    Stopped,
    describe_stop,
    discard_output,
    guard_streams,
    stop_on_signals,
)
from lymphoscope.cli.scratch import prepare_scratch
from lymphoscope.errors import LymphoscopeError, one_line
from lymphoscope.extras import explain_missing
from lymphoscope.vocabulary import ExitStatus

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
PATH_ERRORS = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EROFS)

COMMANDS = MappingProxyType(
    {
        "demo": "Run every step once, in minutes.",
        "data": "Check, split, segment and generate cells.",
        "models": "List the models that ship.",
        "train": "Train a model and evaluate it on held-out subjects.",
        "predict": "Classify cells.",
        "evaluate": "Evaluate a model on labelled cells.",
        "smear": "Find, classify and count the white cells of fields and slides.",
        "score": "Compute metrics from a table of predictions, without a model.",
        "stress": "Test a model on corrupted images; test its saliency maps.",
        "compare": "Compare two prediction tables of the same cells.",
        "explain": "Draw what the model attended to, one picture per cell.",
        "export": "Convert a model for ONNX Runtime or OpenVINO.",
        "review": "Correct, sign and export counts in the browser.",
        "reproduce": "Rerun a table or figure of the paper.",
        "doctor": "Show versions and devices; run a self-test.",
    }
)
"""Command -> its line in `--help`. `cli/NAME.py` has the function `NAME_command`, or `app` where it has subcommands."""

_SETTINGS: dict[str, Any] = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


class _LazyCommands(MutableMapping[str, Any]):
    """Commands by name; the module of one is imported when it is asked for, so that a command starts quickly."""

    def __init__(self, others: MutableMapping[str, Any]) -> None:
        self._loaded = dict(others)

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded and name in COMMANDS:
            self._loaded[name] = _load(name)
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*COMMANDS, *self._loaded]))

    def __len__(self) -> int:
        return len(list(iter(self)))


class _LazyGroup(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _LazyCommands(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands without importing their modules."""
        rows = [(name, COMMANDS.get(name) or self.commands[name].get_short_help_str()) for name in self.commands]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _load(name: str) -> Any:
    module = import_module(f"lymphoscope.cli.{name}")
    single = typer.Typer(**_SETTINGS)
    if not hasattr(module, "app"):
        single.command(name, short_help=COMMANDS[name])(getattr(module, f"{name}_command"))
        return typer.main.get_command(single)
    single.add_typer(module.app, name=name, short_help=COMMANDS[name])
    return typer.main.get_group(single).commands[name]


app = typer.Typer(name="lymphoscope", cls=_LazyGroup, **_SETTINGS)


@app.callback(invoke_without_command=True)
def root_command(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Tell lymphoblasts from other white cells in images of blood smears, and show what the model attended to.

    Research software, not a medical device. To begin: `lymphoscope demo`, or `lymphoscope predict IMAGE`.
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
    prepare_scratch(sys.argv[1:])
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
        return one_line(error)
    if isinstance(error, typer.TyperException):
        return _explain_usage(error)
    if isinstance(error, ModuleNotFoundError):
        missing = explain_missing(error)
        return None if missing is None else str(missing)
    return _explain_path(error) if isinstance(error, OSError) else None


def _explain_usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    line = one_line(error.format_message())
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
