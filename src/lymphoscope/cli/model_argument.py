"""The words that `predict` and `explain` share: which model, which cells, and how to compute."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lymphoscope.errors import LymphoscopeError
from lymphoscope.vocabulary import ExitStatus

MODEL_FILES = ("model.json", "weights.safetensors")


class Precision(StrEnum):
    """Arithmetic of the network, always named and never a library's own choice."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    int8 = "int8"


ModelAndPaths = Annotated[
    list[str],
    typer.Argument(
        metavar="[MODEL] PATH",
        help="Pictures, folders of pictures, or a CSV or Parquet manifest, here or at an address such as "
        "s3://bucket/cells; before them the folder of a model. "
        "Without one the demonstration model that ships is used.",
        show_default=False,
    ),
]
ModelFolder = Annotated[
    Path | None, typer.Option("--model", metavar="MODEL", help="The folder of a model.", show_default=False)
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
PrecisionOption = Annotated[
    Precision, typer.Option("--precision", help="What the network computes in; int8 where the model was exported so.")
]
RuntimeOption = Annotated[
    str,
    typer.Option(
        "--runtime",
        help="torch, onnx, openvino, or auto: the fastest that is here and in the model.",
    ),
]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, help="Threads of the network; as many as processors unless told.")
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Threads that read files; up to 4 unless told otherwise.")
]


def model_and_paths(words: list[str], model: Path | None) -> tuple[Path, list[str]]:
    """Tell the model's folder from the cells: `--model`, or the first word where it is a model's folder.

    Without either it is the demonstration model, which a line on standard error says, limits included.
    Raises LymphoscopeError where a model is named and no cells are.
    """
    if model is not None:
        return model, words
    if not any((Path(words[0]) / name).is_file() for name in MODEL_FILES):
        return _demonstration(), words
    if len(words) == 1:
        raise LymphoscopeError(f"{words[0]} is a model: name the cells to look at after it")
    return Path(words[0]), words[1:]


def refuse_overwriting(outputs: Iterable[Path], inputs: Iterable[str | Path]) -> None:
    """Raise LymphoscopeError where something would be written over what is read."""
    both = {path.resolve() for path in outputs} & {Path(path).resolve() for path in inputs}
    if both:
        raise LymphoscopeError(f"--out would overwrite {min(both)}, which is read: choose another --out")


def _demonstration() -> Path:
    from lymphoscope.model_file import demonstration_model, load_description

    folder = demonstration_model()
    limits = load_description(folder).limits
    typer.echo(f"no model named, so the demonstration model is used. {limits or ''}".rstrip(), err=True)
    return folder


def say_counts(rows: int, failed: int, wrote: str | Path | None) -> None:
    """Say on standard error how many cells there were and failed, and end with status 3 where some did."""
    cells = "1 cell" if rows == 1 else f"{rows:,} cells"
    typer.echo(f"{cells}, {failed:,} failed" + (f"; wrote {wrote}" if wrote else ""), err=True)
    if failed:
        raise typer.Exit(ExitStatus.SOME_FAILED)
