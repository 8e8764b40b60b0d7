"""`lymphoscope export`: a model for runtimes without torch, measured against torch before it counts."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lymphoscope.cli.words import Json
from lymphoscope.errors import LymphoscopeError

if TYPE_CHECKING:
    from lymphoscope.export.export_model import Cells
    from lymphoscope.model_file import Export, Preprocessing

MOST_CELLS = 300
"""Cells that calibrate, and cells that are compared: more would tell little."""


def export(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model folder: RUN/model.", show_default=False)],
    to: Annotated[Literal["onnx", "openvino"], typer.Option("--to", help="The runtime to write for.")],
    int8: Annotated[bool, typer.Option("--int8", help="Quantise to int8; needs --calibration.")] = False,
    precision: Annotated[
        Literal["float32", "bfloat16", "int8"], typer.Option(help="What the runtime will compute in.")
    ] = "float32",
    calibration: Annotated[
        Path | None,
        typer.Option(metavar="SRC", help="Cells that show int8 what values to expect: a folder or a table."),
    ] = None,
    cells: Annotated[
        Path | None,
        typer.Option(metavar="SRC", help="Cells to compare on; those of --calibration, or synthetic ones."),
    ] = None,
    whole: Annotated[bool, typer.Option("--whole", help="Algorithm 1 as one graph: image in, vote out.")] = False,
    accept: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="bfloat16 and int8: the least share of equal labels.")
    ] = 0.99,
    as_json: Json = False,
) -> None:
    """Write a model for ONNX Runtime or OpenVINO, and measure how near it comes to torch in float32.

    Beyond the bound the command fails and removes what it wrote: float32 needs equal labels and boxes and softmax
    within 1e-4 (0.01 with the erase stream, a pixel of which rounding may erase), bfloat16 and int8 the share of
    equal labels that --accept names.
    """
    from lymphoscope.export.export_model import export_model, synthetic_cells
    from lymphoscope.model_file import load_description

    if int8 and precision == "bfloat16":
        raise LymphoscopeError("--int8 and --precision bfloat16: leave one of them out")
    how = load_description(model).preprocessing
    calibrating = _cells(calibration, how) if calibration else None
    compared = _cells(cells, how) if cells else calibrating or synthetic_cells(how.size)
    made = export_model(
        model,
        to,
        compared,
        precision="int8" if int8 else precision,
        whole=whole,
        calibration=calibrating,
        accept=accept,
    )
    typer.echo(made.model_dump_json(indent=2) if as_json else _said(made, model))


def _cells(source: Path, how: "Preprocessing") -> "Cells":
    """Evenly spaced cells of a source, so that every folder has some."""
    import numpy as np

    from lymphoscope.export.export_model import Cells
    from lymphoscope.inference import find_cells
    from lymphoscope.inference.inputs import read_cell

    found = find_cells([source])
    chosen = [found[place] for place in np.linspace(0, len(found) - 1, min(MOST_CELLS, len(found))).astype(int)]
    read = (read_cell(cell.path, how.geometry()).pixels for cell in chosen)
    pixels = [cell for cell in read if cell is not None]
    if not pixels:
        raise LymphoscopeError(f"{source}: no cell of it can be read")
    return Cells(np.stack(pixels), f"{len(pixels)} cells of {source.name}")


def _said(made: "Export", folder: Path) -> str:
    parity = made.parity
    return (
        f"wrote {', '.join(str(folder / name) for name in made.files)}\n"
        f"against torch float32 on {parity.source}: labels equal {parity.labels:.2%}, boxes equal {parity.boxes:.2%} "
        f"(overlap at least {parity.boxes_iou:.2f}), scores differ by up to {parity.scores:.1e}, "
        f"{parity.mean_scores:.1e} on average"
    )
