"""A float32 network -> int8 by NNCF's post-training quantisation, with cells that show the range of values.

The head (all nodes after the last convolution) stays in float32: its signed square root and L2 norm leave no room for
rounding, and a box follows from the attention map by a threshold. An ONNX graph is then changed, without changing any
number, so that ONNX Runtime computes every convolution in bytes.
"""

import contextlib
import io
import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.files import written_beside
from lymphoscope.inference.backends.onnx_runtime import open_session
from lymphoscope.inference.backends.registry import default_threads
from lymphoscope.processor import sums_bytes_in_32_bits

CONVOLUTIONS = frozenset({"Conv", "Convolution", "GroupConvolution"})
WITH_BIAS = frozenset({"Conv", "Gemm"})
"""Nodes of ONNX whose third input is a bias, which may be absent."""
BIAS_CELLS = 32
"""Cells over which biases are corrected: each node takes a pass of the network up to it."""


@dataclass(frozen=True)
class GraphNode:
    """A node: its name, its type, and the names of the tensors that it reads and writes."""

    name: str
    type: str
    reads: frozenset[str]
    writes: frozenset[str]


def head_names(nodes: Iterable[GraphNode]) -> list[str]:
    """Return the names of the nodes after the last convolution, the last one first; `nodes` in execution order."""
    body: set[str] = set()  # tensors that some convolution depends on
    head = []
    for node in reversed(list(nodes)):
        if node.type in CONVOLUTIONS or body & node.writes:
            body |= node.reads
        else:
            head.append(node.name)
    return head


def onnx_head(model: Any) -> list[str]:
    """Return the names of the nodes of an ONNX model's head."""
    return head_names(
        GraphNode(node.name, node.op_type, frozenset(node.input), frozenset(node.output)) for node in model.graph.node
    )


def openvino_head(model: Any) -> list[str]:
    """Return the names of the nodes of an OpenVINO model's head; its tensors have the names of their nodes."""
    return head_names(
        GraphNode(
            node.get_friendly_name(),
            node.get_type_name(),
            frozenset(value.get_source_output().get_node().get_friendly_name() for value in node.inputs()),
            frozenset({node.get_friendly_name()}),
        )
        for node in model.get_ordered_ops()
    )


COPYING = frozenset({"Concat", "MaxPool"})
"""Operations whose outputs are values of their inputs."""

Grid = tuple[str, str]
"""The names of a quantised tensor's scale and zero point."""


def make_unsigned(model: Any) -> None:
    """Shift the zero point of signed activations by 128; scales and values stay the same.

    ONNX Runtime computes a convolution in floats if only one of its input and its output is signed.
    """
    import onnx
    from onnx import numpy_helper

    constants = {constant.name: constant for constant in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or node.input[0] in constants:
            continue
        zero = constants[node.input[2]]
        if zero.data_type == onnx.TensorProto.INT8:
            shifted = np.asarray(numpy_helper.to_array(zero).astype(np.int16) + 128, dtype=np.uint8)
            zero.CopyFrom(numpy_helper.from_array(shifted, zero.name))
    del model.graph.value_info[:]  # declares signed types; the reader of the file infers them


def requantize_copies(model: Any) -> None:
    """Quantise again the outputs of operations that only copy values, which are still multiples of their scale.

    NNCF does not do this after a concatenation or a maximum, and ONNX Runtime computes the next convolution in floats.
    """
    constants = {constant.name: constant for constant in model.graph.initializer}
    grids: dict[str, Grid] = {}
    nodes = []
    for node in model.graph.node:
        nodes.append(node)
        if node.op_type == "DequantizeLinear" and node.input[0] not in constants:
            grids[node.output[0]] = (node.input[1], node.input[2])
        elif node.op_type in COPYING and (grid := _common_grid(grids, node, constants)):
            grids[node.output[0]] = grid
            nodes += _requantize(node, grid)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _common_grid(grids: dict[str, Grid], node: Any, constants: dict[str, Any]) -> Grid | None:
    """Return the grid of all inputs of the node, or None if they differ."""
    of_inputs = [grids.get(name) for name in node.input]
    values = {tuple(_bytes_of(constants[name]) for name in grid) if grid else None for grid in of_inputs}
    return of_inputs[0] if len(values) == 1 else None


def _bytes_of(constant: Any) -> bytes:
    from onnx import numpy_helper

    return bytes(numpy_helper.to_array(constant).tobytes())


def _requantize(node: Any, grid: Grid) -> Iterator[Any]:
    """Quantise and dequantise the output of the node; the result takes over its name."""
    from onnx import helper

    name = node.output[0]
    node.output[0] = f"{name}_copied"
    yield helper.make_node("QuantizeLinear", [node.output[0], *grid], [f"{name}_bytes"], name=f"{node.name}_bytes")
    yield helper.make_node("DequantizeLinear", [f"{name}_bytes", *grid], [name], name=f"{node.name}_floats")


def correct_biases(model: Any, floats: Any, cells: NDArray[np.uint8]) -> None:
    """Shift the biases of a quantised ONNX model such that each channel has the mean that it has in `floats`.

    This is the empirical bias correction of Nagel et al. 2019, "Data-free quantization through weight equalization and
    bias correction". The errors of rounded weights do not cancel on a constant background. Nodes are corrected in the
    order of execution, because each correction changes what the later ones receive. `cells` is (N, S, S, 3).
    """
    from onnx import numpy_helper

    outputs = {node.name: node.output[0] for node in floats.graph.node if node.op_type in WITH_BIAS}
    nodes = [node for node in model.graph.node if node.name in outputs]
    wanted = _channel_means(floats, [outputs[node.name] for node in nodes], cells)
    constants = {constant.name: constant for constant in model.graph.initializer}
    for node, mean in zip(nodes, wanted, strict=True):
        (found,) = _channel_means(model, [node.output[0]], cells)
        old = numpy_helper.to_array(constants[node.input[2]]) if len(node.input) > 2 else 0.0
        bias = numpy_helper.from_array((old + mean - found).astype(np.float32), f"{node.name}_corrected_bias")
        model.graph.initializer.append(bias)
        node.input[2:] = [bias.name]  # a new one, because nodes may share their bias
    _drop_unused_constants(model)


def _channel_means(model: Any, names: list[str], cells: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
    """Return the mean of each channel (C,) of tensors (1, C, ...) over the cells, one cell at a time."""
    import onnx

    part = onnx.ModelProto()
    part.CopyFrom(model)
    del part.graph.output[:]
    part.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    session = open_session(part.SerializeToString(), default_threads())
    sums = [np.float64(0.0)] * len(names)
    for cell in cells:
        found = session.run(names, {"images": cell[None]})
        sums = [
            total + values.reshape(values.shape[1], -1).mean(axis=1) for total, values in zip(sums, found, strict=True)
        ]
    return [np.asarray(total / len(cells)) for total in sums]


def _drop_unused_constants(model: Any) -> None:
    read = {name for node in model.graph.node for name in node.input}
    kept = [constant for constant in model.graph.initializer if constant.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def quantize_onnx(source: Path, cells: NDArray[np.uint8], out: Path) -> None:
    """Write the ONNX network of `source` (which takes uint8 cells) in int8; `cells` (N, S, S, 3) calibrate it.

    Raises LymphoscopeError if NNCF is not installed.
    """
    nncf = _nncf()
    import onnx

    floats = onnx.load(source)
    dataset = nncf.Dataset([{"images": cell[None]} for cell in cells])
    with _silent(nncf):
        # NNCF's full bias correction does not terminate on ONNX, and its fast one changes the scores more:
        # `correct_biases` takes their place.
        # ONNX Runtime sums products of bytes in 32 bits on every processor (`backends/onnx_runtime.py`).
        options = _options(nncf, onnx_head(floats), len(cells), nncf.OverflowFix.DISABLE, disable_bias_correction=True)
        quantized = nncf.quantize(floats, dataset, **options)
    make_unsigned(quantized)
    requantize_copies(quantized)
    correct_biases(quantized, floats, cells[:: math.ceil(len(cells) / BIAS_CELLS)])
    with written_beside(out) as beside:
        onnx.save(quantized, beside)


def quantize_openvino(source: Path, cells: NDArray[np.uint8]) -> Any:
    """Return an ONNX network (which takes uint8 cells) as an OpenVINO model in int8; see `quantize_onnx`."""
    nncf = _nncf()
    import openvino
    from openvino import passes

    model = openvino.Core().read_model(str(source))
    # The weights of grouped convolutions are read with a reshape, after which NNCF takes the wrong axis for the
    # channels and OpenVINO computes them in floats. Folding removes the reshape.
    folding = passes.Manager()
    folding.register_pass(passes.ConstantFolding())
    folding.run_passes(model)
    with _silent(nncf):
        dataset = nncf.Dataset([cell[None] for cell in cells])
        # Weights need 7 bits where products of bytes are summed in 16. Measured on an earlier model and 346 cells: 96 %
        # of labels equal float32 with 8 bits, 89 % with 7.
        overflow_fix = nncf.OverflowFix.DISABLE if sums_bytes_in_32_bits() else nncf.OverflowFix.ENABLE
        return nncf.quantize(model, dataset, **_options(nncf, openvino_head(model), len(cells), overflow_fix))


def write_openvino(model: Any, out: Path) -> None:
    """Write an OpenVINO model as `out` (.xml) and the .bin beside it, in the precision that it has."""
    import openvino

    out.parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(model, str(out), compress_to_fp16=False)


def _options(nncf: Any, head: list[str], cells: int, overflow_fix: Any, **advanced: Any) -> dict[str, Any]:
    one_scale = nncf.quantization.advanced_parameters.QuantizationParameters(per_channel=False)
    return {
        "advanced_parameters": nncf.AdvancedQuantizationParameters(
            overflow_fix=overflow_fix,
            # One scale per activation: ONNX Runtime's int8 convolution does not take one per channel, and OpenVINO
            # gives the same labels with either.
            activations_quantization_params=one_scale,
            **advanced,
        ),
        "subset_size": cells,
        "preset": nncf.QuantizationPreset.MIXED,
        "fast_bias_correction": False,  # takes twice as long and halves the difference of the scores
        "ignored_scope": nncf.IgnoredScope(names=head, validate=False),
    }


def _nncf() -> Any:
    try:
        import nncf
    except ImportError as error:
        raise LymphoscopeError("int8 needs NNCF: pip install 'lymphoscope[openvino]'") from error
    return nncf


@contextlib.contextmanager
def _silent(nncf: Any) -> Iterator[None]:
    """Keep the progress bars of NNCF off the terminal."""
    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
