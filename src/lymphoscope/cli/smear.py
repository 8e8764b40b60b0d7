"""`lymphoscope smear`: fields or slides -> cells, a differential count, and a results folder to read and review."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from lymphoscope.cli.model_argument import announce_default_model, split_model_and_paths
from lymphoscope.cli.options import AsJson, BlastThreshold, Device, EraseOption, PrecisionOption, Threads
from lymphoscope.cli.runtime_option import RuntimeOption
from lymphoscope.cli.smear_train import train_detector_command
from lymphoscope.errors import LymphoscopeError
from lymphoscope.vocabulary import ExitStatus

if TYPE_CHECKING:
    from lymphoscope.smear import SmearResult

Fields = Annotated[
    list[str],
    typer.Argument(
        metavar="[MODEL] FIELD...",
        help="Fields or slides: images, tiled TIFF, SVS, DICOM, NDPI or MRXS files, folders of them, or a table with "
        "the columns path, slide, subject and microns_per_pixel. A model folder, or the name of a model that ships, "
        "may come first.",
        show_default=False,
    ),
]
OutFolder = Annotated[
    Path,
    typer.Option(
        "--out", metavar="DIR", help="Results folder. An interrupted run continues in it.", show_default=False
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="MODEL", help="A model folder, or the name of a model that ships.", show_default=False
    ),
]
Mpp = Annotated[
    float | None,
    typer.Option(
        "--mpp",
        min=0.02,
        max=5.0,
        metavar="MICRONS",
        help="Micrometres per pixel of the fields. Default: what the files say, else an estimate from the diameter of "
        "the red cells.",
        show_default=False,
    ),
]
Target = Annotated[
    str,
    typer.Option(
        "--target",
        metavar="CELLS",
        help="White cells to count: 100, 200, 400, another number, or all. Cells beyond that number are listed, not "
        "counted.",
    ),
]
DetectorOption = Annotated[
    str | None,
    typer.Option(
        "--detector",
        metavar="NAME",
        help="Detector of white cells: the name of one that ships, or a folder (default: the best that ships).",
        show_default=False,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, help="Threads that read fields and find cells (default: up to 4).", show_default=False
    ),
]


COUNT = "count"
"""The subcommand that is meant where none is named: `lymphoscope smear FIELD...`."""


class _CountByDefault(TyperGroup):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `count` first unless a subcommand is named."""
        named = bool(args) and args[0] in self.commands
        return super().parse_args(ctx, args if named else [COUNT, *args])


app = typer.Typer(cls=_CountByDefault, rich_markup_mode=None)


@app.callback()
def smear_group() -> None:
    """Find, classify and count the white cells of fields and slides; train a detector of white cells."""


@app.command(COUNT, short_help="Find, classify and count (also without this word).")
def smear_command(
    fields: Fields,
    out: OutFolder,
    model: Model = None,
    mpp: Mpp = None,
    target: Target = "all",
    detector: DetectorOption = None,
    blast_threshold: BlastThreshold = 20.0,
    slide: Annotated[str | None, typer.Option(help="Id of the slide of all fields.", show_default=False)] = None,
    subject: Annotated[str | None, typer.Option(help="Id of the subject of all fields.", show_default=False)] = None,
    runtime: RuntimeOption = "auto",
    device: Device = "auto",
    precision: PrecisionOption = "float32",
    erase: EraseOption = "always",
    threads: Threads = None,
    workers: Workers = None,
    crops: Annotated[
        bool,
        typer.Option("--crops", help="Also write each cell as the model takes it, one PNG per cell, to DIR/crops."),
    ] = False,
    features: Annotated[
        bool,
        typer.Option(
            "--features/--no-features",
            help="Write the feature vector of each cell, with which the review sorts by similarity, to features.npy.",
        ),
    ] = True,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Work on a Ray cluster; `local` uses every processor of this machine. Every machine needs the fields "
            "and --out under the same path, and --threads is per worker.",
            show_default=False,
        ),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start again and discard an unfinished run.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the results in --out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find the white cells of fields or slides, classify and count them.

    A field that cannot be read is named with its reason, and the exit status is 3. `lymphoscope smear train` trains a
    detector of white cells.
    """
    from lymphoscope.smear.entry import smear

    name, paths = _model_and_fields(fields, model)
    result = smear(
        announce_default_model(name),
        paths,
        out,
        microns_per_pixel=mpp,
        target=_target(target),
        detector=detector,
        blast_threshold=blast_threshold,
        slide=slide,
        subject=subject,
        runtime=runtime,
        device=device,
        precision=precision,
        erase=erase,
        threads=threads,
        workers=workers,
        resume=not fresh,
        overwrite=overwrite,
        crops=crops,
        features=features,
        cluster=cluster,
        command=shlex.join(["lymphoscope", *sys.argv[1:]]),
    )
    _print_result(result, as_json)


app.command("train", short_help="Train a detector of white cells on boxes.")(train_detector_command)


def _model_and_fields(words: list[str], model: str | None) -> tuple[Path | None, list[str]]:
    """Tell the model from the fields: the first word may be a model folder or the name of a model that ships."""
    from lymphoscope.model_file import resolve_model, shipped_models

    if model is None and words[0] in shipped_models():
        if len(words) == 1:
            raise LymphoscopeError(f"{words[0]} is a model: add the fields or slides after it")
        return resolve_model(words[0]), words[1:]
    return split_model_and_paths(words, model)


def _target(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise LymphoscopeError(f"--target {text}: give 100, 200, 400, another number of cells, or all")
    return int(text)


def _print_result(result: "SmearResult", as_json: bool) -> None:
    from lymphoscope.smear import describe_result

    if as_json:
        typer.echo(json.dumps(result.differential.model_dump(mode="json"), indent=2, ensure_ascii=False))
    else:
        typer.echo("\n".join(describe_result(result)))
    if result.failed:
        raise typer.Exit(ExitStatus.SOME_FAILED)
