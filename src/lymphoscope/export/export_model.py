"""A model folder -> ONNX and OpenVINO files of its network, or of the whole algorithm.

A model -> its exports, each measured against torch in float32 before it counts.
"""

import contextlib
import io
import logging
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.export.parity import measured_parity, reference_outputs
from lymphoscope.extras import require
from lymphoscope.files import sha256_of, written_beside
from lymphoscope.inference.backends.registry import default_threads
from lymphoscope.inference.ternary import TernaryRuntime
from lymphoscope.method.numpy import StreamOutputs
from lymphoscope.model_file import Description, Export, Parity, load_description, load_network, record_exports

OPSET = 20
GraphName = Literal["network", "algorithm1"]


def write_onnx(folder: Path, out: Path, *, graph: GraphName = "network", takes: str = "float32") -> None:
    """Write the model of `folder` as one ONNX file with any number of cells, `takes` uint8 or float32 (0-255).

    Raises LymphoscopeError where the folder is no model, and for the algorithm of a model without attention.
    """
    import torch

    from lymphoscope.export.graphs import ALGORITHM1_OUTPUTS, NETWORK_OUTPUTS, Algorithm1Graph, NetworkGraph

    network, description = load_network(folder)
    if graph == "algorithm1" and description.architecture.head != "attention":
        raise LymphoscopeError(f"{description.name} has a linear head: Algorithm 1 needs a model with attention")
    whole = graph == "algorithm1"
    module = (Algorithm1Graph if whole else NetworkGraph)(network, description).eval()
    side = description.preprocessing.size
    cells = torch.zeros(2, side, side, 3, dtype=getattr(torch, takes))
    with written_beside(out) as beside, torch.no_grad(), _quietly():
        torch.onnx.export(
            module,
            (cells,),
            beside,
            dynamo=True,
            opset_version=OPSET,
            input_names=["images"],
            output_names=list(ALGORITHM1_OUTPUTS if whole else NETWORK_OUTPUTS),
            dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
            external_data=False,
            verbose=False,
        )
        _without_traces(beside)


def _without_traces(written: Path) -> None:
    """Remove what the exporter notes of each node: where in which file of this machine it was made."""
    import onnx

    model = onnx.load(written)
    for holder in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        del holder.metadata_props[:]
        holder.doc_string = ""
    onnx.save(model, written)


def write_openvino(model: Any, out: Path) -> None:
    """Write an OpenVINO model as `out` (.xml) and the .bin beside it, in the precision that it has."""
    import openvino

    out.parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(model, str(out), compress_to_fp16=False)


@contextlib.contextmanager
def _quietly() -> Any:
    """Keep the exporter's own chatter off the terminal; what fails is raised all the same."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


SCORE_BOUND = 1e-4
"""float32: the largest difference of a softmax of raw or crop; labels and boxes are equal."""
TIE_BOUND = 0.01
"""float32: the largest difference of a score, with the erase stream in it.

A pixel whose attention is the threshold but for rounding is erased by one library and not by the other. Seen in one to
three of a hundred cells of C-NMC, where it moved a score by up to 2e-3.
"""
LABEL_BOUND = 0.99
"""bfloat16 and int8: the least share of equal labels, unless a lower one is accepted."""

Precision = Literal["float32", "bfloat16", "int8"]
RuntimeName = Literal["onnx", "openvino"]


@dataclass(frozen=True)
class Cells:
    """Fitted cells (N, S, S, 3) RGB, and where they are from."""

    pixels: NDArray[np.uint8]
    source: str


def export_model(
    folder: Path,
    runtime: RuntimeName,
    cells: Cells,
    *,
    precision: Precision = "float32",
    whole: bool = False,
    calibration: Cells | None = None,
    accept: float = LABEL_BOUND,
) -> Export:
    """Write the model of `folder` for a runtime, compare it with torch float32 on `cells`, and record it there.

    `whole` writes all of Algorithm 1 as one graph instead of the network. int8 needs `calibration` cells.
    Raises LymphoscopeError where the outputs differ beyond the bound: then nothing that was written stays, and an older
    export does.
    """
    _check(runtime, precision, whole, calibration)
    description = load_description(folder)
    with TemporaryDirectory(prefix=".export-", dir=folder) as aside:
        network = Path(aside) / _file_name(runtime, precision, whole)
        _write(folder, network, runtime, precision, whole, calibration)
        found = _outputs(description, network, runtime, precision, whole, cells.pixels)
        parity = measured_parity(found, reference_outputs(folder, cells.pixels), cells.source)
        check_parity(parity, precision, accept)
        made = Export(
            runtime=runtime,
            precision=precision,
            graph="algorithm1" if whole else "network",
            files={path.name: sha256_of(path) for path in _files(network)},
            weights_sha256=description.weights_sha256,
            accepted=1.0 if precision == "float32" else accept,
            parity=parity,
            versions={name: version(name) for name in _libraries(runtime, precision)},
        )
        for path in _files(network):
            path.replace(folder / path.name)
        record_exports(folder, [*(old for old in description.exports if not _same(old, made)), made])
    return made


def synthetic_cells(size: int, count: int = 64) -> Cells:
    """Cells to compare on where none are given: a disc on noise, somewhere, of any colour."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 90, (count, size, size, 3))
    rows, columns = np.mgrid[:size, :size]
    for cell in pixels:
        top, left = generator.integers(size // 4, 3 * size // 4, 2)
        cell[(rows - top) ** 2 + (columns - left) ** 2 < (size / 5) ** 2] += generator.integers(60, 160, 3)
    return Cells(pixels.astype(np.uint8), f"{count} synthetic cells")


def _check(runtime: str, precision: str, whole: bool, calibration: Cells | None) -> None:
    if precision == "int8" and calibration is None:
        raise LymphoscopeError("int8 needs cells that show what values to expect: --calibration SRC")
    if precision == "bfloat16" and runtime == "onnx":
        raise LymphoscopeError("ONNX Runtime computes no bfloat16 on a CPU: use --to openvino")
    if whole and precision == "int8":
        raise LymphoscopeError("the whole of Algorithm 1 is written in floats: leave out --whole or --int8")
    if runtime == "openvino" or precision == "int8":
        require("openvino", "--to openvino" if runtime == "openvino" else "int8")


def _file_name(runtime: str, precision: str, whole: bool) -> str:
    stem = "algorithm1" if whole else "network"
    # OpenVINO computes bfloat16 from a file of floats; it takes bytes, so it is one of its own.
    middle = "" if precision == "float32" else f".{precision}"
    return f"{stem}{middle}.{'onnx' if runtime == 'onnx' else 'xml'}"


def _write(folder: Path, out: Path, runtime: str, precision: str, whole: bool, calibration: Cells | None) -> None:
    from lymphoscope.export import quantised_onnx, quantised_openvino, write_onnx, write_openvino

    takes = "float32" if precision == "float32" and not whole else "uint8"
    with TemporaryDirectory() as beside:
        floats = out if (runtime, precision) == ("onnx", "float32") else Path(beside) / "floats.onnx"
        write_onnx(folder, floats, graph="algorithm1" if whole else "network", takes=takes)
        if runtime == "openvino":
            made = quantised_openvino(floats, calibration.pixels) if calibration and precision == "int8" else None
            write_openvino(made or _read_openvino(floats), out)
        elif precision == "int8" and calibration:
            quantised_onnx(floats, calibration.pixels, out)


def _read_openvino(path: Path) -> Any:
    import openvino

    return openvino.Core().read_model(str(path))


def _outputs(
    description: Description, network: Path, runtime: str, precision: str, whole: bool, pixels: NDArray[np.uint8]
) -> StreamOutputs:
    if whole:
        from lymphoscope.export.parity import whole_outputs

        return whole_outputs(network, runtime, precision, pixels)
    from lymphoscope.export.parity import outputs_in_batches
    from lymphoscope.inference.backends.onnx_runtime import OnnxRuntime
    from lymphoscope.inference.backends.openvino_runtime import OpenvinoRuntime

    make = OnnxRuntime if runtime == "onnx" else OpenvinoRuntime
    return outputs_in_batches(TernaryRuntime(make(description, network, precision, default_threads())), pixels)


def check_parity(parity: Parity, precision: str, accept: float) -> None:
    """Raise LymphoscopeError where an export differs from torch float32 by more than its precision may."""
    if precision == "float32":
        equal = parity.labels == parity.boxes == 1
        if not equal or parity.first_streams > SCORE_BOUND or parity.scores > TIE_BOUND:
            raise LymphoscopeError(
                f"the export differs from torch float32: raw and crop by up to {parity.first_streams:.1e} (bound "
                f"{SCORE_BOUND:g}), scores by {parity.scores:.1e} (bound {TIE_BOUND:g}), labels equal "
                f"{parity.labels:.2%}, boxes equal {parity.boxes:.2%}; nothing was kept"
            )
    elif parity.labels < accept:
        raise LymphoscopeError(
            f"{precision}: {parity.labels:.2%} of labels as in float32, fewer than {accept:.2%}; nothing was kept. "
            "Lower --min-label-agreement, or calibrate with more cells"
        )


def _libraries(runtime: str, precision: str) -> list[str]:
    return [
        "torch",
        "onnxruntime" if runtime == "onnx" else "openvino",
        *(["nncf"] if precision == "int8" else []),
    ]


def _files(network: Path) -> list[Path]:
    beside = network.with_suffix(".bin")
    return [network, beside] if network.suffix == ".xml" else [network]


def _same(old: Export, new: Export) -> bool:
    return (old.runtime, old.precision, old.graph) == (new.runtime, new.precision, new.graph)
