"""What `predict` and `explain` share beyond options: which folder is the model, and what is printed at the end."""

from collections.abc import Iterable
from pathlib import Path

import typer

from lymphoscope.errors import LymphoscopeError
from lymphoscope.terminal import counted
from lymphoscope.vocabulary import ExitStatus

MODEL_FILES = ("model.json", "weights.safetensors")


def split_model_and_paths(arguments: list[str], model: str | None) -> tuple[Path | None, list[str]]:
    """Return the model folder, None for the default model, and the paths of the cells.

    The model is `--model` (a folder or the name of a shipped model), or the first argument if that is a model folder.
    Raises LymphoscopeError if there is a model but no path.
    """
    if model is not None:
        from lymphoscope.model_file import resolve_model

        return resolve_model(model), arguments
    if not any((Path(arguments[0]) / name).is_file() for name in MODEL_FILES):
        return None, arguments
    if len(arguments) == 1:
        raise LymphoscopeError(f"{arguments[0]} is a model folder: add the images to classify after it")
    return Path(arguments[0]), arguments[1:]


def announce_default_model(folder: Path | None) -> Path:
    """Return the folder of the model. If none was named, print which one is used, and its first limit.

    Called once, when the other arguments have been checked.
    """
    from lymphoscope.model_file import default_model_notice, load_description, resolve_model

    resolved = resolve_model(folder)
    if folder is None:
        typer.echo(default_model_notice(load_description(resolved)), err=True)
    return resolved


def refuse_overwriting(outputs: Iterable[Path], inputs: Iterable[str | Path]) -> None:
    """Raise LymphoscopeError if an output file is also an input file."""
    both = {path.resolve() for path in outputs} & {Path(path).resolve() for path in inputs}
    if both:
        raise LymphoscopeError(f"--out would overwrite the input {min(both)}: choose another --out")


def print_lines(lines: Iterable[str]) -> None:
    """Print lines that the user should know to standard error."""
    for line in lines:
        typer.echo(line, err=True)


def print_counts(rows: int, failed: int, out: str | Path | None) -> None:
    """Print to standard error how many cells were processed and how many failed. Exit with status 3 if any failed."""
    typer.echo(f"{counted(rows, 'cell')}, {failed:,} failed" + (f"; wrote {out}" if out else ""), err=True)
    if failed:
        raise typer.Exit(ExitStatus.SOME_FAILED)
