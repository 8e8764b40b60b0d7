"""`lymphoscope smear train`: boxes around white cells -> a trained detector."""

from pathlib import Path
from typing import Annotated

import typer

from lymphoscope.cli.options import Seed
from lymphoscope.extras import require

Boxes = Annotated[
    Path,
    typer.Argument(
        metavar="BOXES",
        help="A table (.csv, .parquet) with columns image, class, xmin, ymin, xmax, ymax, a COCO .json, or a folder "
        "of Pascal VOC (.xml) or YOLO (.txt) files. A column `source` makes each source count equally.",
        show_default=False,
    ),
]


def train_detector_command(
    boxes: Boxes,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the detector.", show_default=False)],
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            metavar="NAME",
            help="Beginning of a class name that means a white cell. May be repeated. Default: WBC, white, leukocyte.",
            show_default=False,
        ),
    ] = None,
    cells: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="Cells on black, as C-NMC has them and `data segment` writes them, to paste into the fields so that "
            "they touch. May be repeated: each folder is used equally often.",
            show_default=False,
        ),
    ] = None,
    without: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Images without white cells (red cells, platelets, stain deposits), to learn what is none.",
            show_default=False,
        ),
    ] = None,
    per_source: Annotated[
        int | None,
        typer.Option(
            min=1, help="Images of each source that are used, evenly spaced. Default: all.", show_default=False
        ),
    ] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE",
            help="Source that is not used, to be evaluated on (column `source`). May be repeated.",
            show_default=False,
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Trained detector to continue from.", show_default=False),
    ] = None,
    mpp: Annotated[
        float | None,
        typer.Option(
            "--mpp",
            min=0.02,
            max=5.0,
            metavar="MICRONS",
            help="Micrometres per pixel of all images. Default: an estimate per image from its red cells.",
            show_default=False,
        ),
    ] = None,
    scale: Annotated[
        tuple[float, float],
        typer.Option(
            metavar="LOW HIGH",
            help="Range of factors by which fields are resized at random, in relation to 0.3 microns per pixel.",
        ),
    ] = (0.6, 1.3),
    steps: Annotated[int, typer.Option(min=1, help="Training steps of 12 patches.")] = 600,
    seed: Seed = 0,
) -> None:
    """Train a detector of white cells on boxes. Use it with `lymphoscope smear --detector DIR`.

    The features are those of EfficientNet-Lite0 trained on ImageNet. They are not trained further, so minutes on a
    CPU suffice.
    """
    require("train", "smear train")
    from lymphoscope.smear.detection.center_file import train_detector

    train_detector(
        boxes, out, classes=classes, cells=cells or (), start=start, microns_per_pixel=mpp, per_source=per_source,
        without=without, leave_out=leave_out or (), scales=scale, steps=steps, seed=seed,
        report=lambda line: typer.echo(line, err=True),
    )  # fmt: skip
    typer.echo(f"detector: {out}")
