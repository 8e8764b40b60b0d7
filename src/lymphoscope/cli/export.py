"""`lymphoscope export`: write a model for runtimes without torch, and compare it with torch."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lymphoscope.cli.options import AsJson, PrecisionOption
from lymphoscope.cli.source_option import SOURCE_HELP
from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference.backends.registry import export_runtimes

if TYPE_CHECKING:
    from lymphoscope.export import SampleCells
    from lymphoscope.model_file import Export, Preprocessing

MAX_COMPARED = 300
"""Maximum number of cells for the comparison with torch."""
MAX_CALIBRATION = 1000
"""Maximum number of cells for the calibration, which all are in memory at once."""


def export_command(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Model folder, for example RUN/model.", show_default=False)
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="RUNTIME",
            help=f"Runtime to export for: {' or '.join(runtime.name for runtime in export_runtimes())}.",
        ),
    ],
    int8: Annotated[bool, typer.Option("--int8", help="Quantise to int8; needs --calibration.")] = False,
    precision: PrecisionOption = "float32",
    calibration: Annotated[
        str | None,
        typer.Option(
            metavar="SRC",
            help="Training cells, with labels. They show int8 the range of values. int8 and bfloat16 move the features "
            f"by which unusual cells are referred, whose limits are measured on these cells. {SOURCE_HELP}",
        ),
    ] = None,
    cells: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Cells for the comparison with torch: a folder or a table (default: those of --calibration, else "
            "synthetic ones).",
        ),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Export all of Algorithm 1 as one graph, from image to vote.")
    ] = False,
    min_label_agreement: Annotated[
        float,
        typer.Option(
            "--min-label-agreement", min=0.0, max=1.0, help="Minimum share of equal labels, for bfloat16 and int8."
        ),
    ] = 0.99,
    as_json: AsJson = False,
) -> None:
    """Export a model for ONNX Runtime or OpenVINO, and compare its predictions with torch in float32.

    If the difference is too large, the command fails and removes its output. Limits for float32: equal labels and
    boxes, and softmax within 1e-4 (0.01 for the erase stream, where rounding may erase one more pixel). Limit for
    bfloat16 and int8: --min-label-agreement.
    """
    from lymphoscope.export import export_model, synthetic_cells
    from lymphoscope.model_file import load_description

    if int8 and precision == "bfloat16":
        raise LymphoscopeError("--int8 and --precision bfloat16 exclude each other: leave one out")
    preprocessing = load_description(model).preprocessing
    calibration_cells = _labelled_cells(calibration, preprocessing) if calibration else None
    if cells is not None:
        compared = _cells(cells, preprocessing)
    elif calibration_cells is not None:
        compared = calibration_cells.evenly_spaced(MAX_COMPARED)
    else:
        compared = synthetic_cells(preprocessing.size)
    exported = export_model(
        model,
        to,
        compared,
        precision="int8" if int8 else precision,
        whole=whole,
        calibration=calibration_cells,
        min_label_agreement=min_label_agreement,
    )
    typer.echo(exported.model_dump_json(indent=2) if as_json else _as_text(exported, model))


def _cells(source: Path, preprocessing: "Preprocessing") -> "SampleCells":
    from lymphoscope.export import read_sample
    from lymphoscope.inference import find_cells

    return read_sample(find_cells([source]), source.name, preprocessing, MAX_COMPARED)


def _labelled_cells(source: str, preprocessing: "Preprocessing") -> "SampleCells":
    from lymphoscope.data import read_source
    from lymphoscope.export import read_sample
    from lymphoscope.inference import cells_of

    return read_sample(cells_of(read_source(source)), Path(source).name, preprocessing, MAX_CALIBRATION)


def _as_text(exported: "Export", folder: Path) -> str:
    parity, features = exported.parity, exported.features
    reference = "" if features is None else f"\nout-of-distribution reference of this network: {features.how}"
    return (
        f"wrote {', '.join(str(folder / name) for name in exported.files)}\n"
        f"compared with torch float32 on {parity.source}: equal labels {parity.labels:.2%}, "
        f"equal boxes {parity.boxes:.2%} (minimum overlap {parity.boxes_iou:.2f}), "
        f"largest difference of a score {parity.scores:.1e}, "
        f"mean {parity.mean_scores:.1e}{reference}"
    )
