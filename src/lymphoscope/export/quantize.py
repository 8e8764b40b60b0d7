"""Which nodes of an exported graph are its head: all that no convolution comes after.

What ONNX Runtime needs in an int8 graph to compute it in bytes throughout; every number stays what it was.

A float32 network -> int8 by NNCF's post-training quantisation, with cells that show what values to expect.

The head stays in float32: its signed square root and L2 norm give small differences no room (METHOD, Network), and a
box follows from the attention map by a threshold.
"""

import contextlib
import io
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.files import written_beside
from lymphoscope.processor import has_instructions

CONVOLUTIONS = frozenset({"Conv", "Convolution", "GroupConvolution"})


@dataclass(frozen=True)
class GraphNode:
    """A node by its name and type, and the tensors that it reads and writes by theirs."""

    name: str
    type: str
    reads: frozenset[str]
    writes: frozenset[str]


def head_names(nodes: Iterable[GraphNode]) -> list[str]:
    """Names of the nodes that no convolution comes after, the last first; `nodes` as they are computed."""
    leading: set[str] = set()  # tensors that some convolution depends on
    head = []
    for node in reversed(list(nodes)):
        if node.type in CONVOLUTIONS or leading & node.writes:
            leading |= node.reads
        else:
            head.append(node.name)
    return head


def onnx_head(model: Any) -> list[str]:
    """The head of an ONNX model."""
    return head_names(
        GraphNode(node.name, node.op_type, frozenset(node.input), frozenset(node.output)) for node in model.graph.node
    )


def openvino_head(model: Any) -> list[str]:
    """The head of an OpenVINO model, whose tensors are called as the nodes that write them."""
    return head_names(
        GraphNode(
            node.get_friendly_name(),
            node.get_type_name(),
            frozenset(value.get_source_output().get_node().get_friendly_name() for value in node.inputs()),
            frozenset({node.get_friendly_name()}),
        )
        for node in model.get_ordered_ops()
    )


MOVING = frozenset({"Concat", "MaxPool"})
"""Operations that pass values on as they are."""

Grid = tuple[str, str]
"""The names of the scale and the zero point that a tensor's values are multiples of."""


def make_unsigned(model: Any) -> None:
    """Robustness signed activations by 128, scale and values kept.

    A convolution is computed in floats where one of its input and its output is signed and the other not.
    """
    import onnx
    from onnx import numpy_helper

    constants = {constant.name: constant for constant in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or node.input[0] in constants:
            continue
        zero = constants[node.input[2]]
        if zero.data_type == onnx.TensorProto.INT8:
            moved = np.asarray(numpy_helper.to_array(zero).astype(np.int16) + 128, dtype=np.uint8)
            zero.CopyFrom(numpy_helper.from_array(moved, zero.name))
    del model.graph.value_info[:]  # says signed; what reads the file infers it anew


def keep_moved_in_bytes(model: Any) -> None:
    """Say of values that were only moved that they are still multiples of their scale.

    NNCF leaves that out after a concatenation or a maximum, and convolutions that follow are computed in floats.
    """
    constants = {constant.name: constant for constant in model.graph.initializer}
    grids: dict[str, Grid] = {}
    nodes = []
    for node in model.graph.node:
        nodes.append(node)
        if node.op_type == "DequantizeLinear" and node.input[0] not in constants:
            grids[node.output[0]] = (node.input[1], node.input[2])
        elif node.op_type in MOVING and (grid := _common(grids, node, constants)):
            grids[node.output[0]] = grid
            nodes += _said_again(node, grid)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _common(grids: dict[str, Grid], node: Any, constants: dict[str, Any]) -> Grid | None:
    """The grid that all inputs of the node are on, if there is one."""
    found = [grids.get(name) for name in node.input]
    values = {tuple(_bytes_of(constants[name]) for name in grid) if grid else None for grid in found}
    return found[0] if len(values) == 1 else None


def _bytes_of(constant: Any) -> bytes:
    from onnx import numpy_helper

    return bytes(numpy_helper.to_array(constant).tobytes())


def _said_again(node: Any, grid: Grid) -> Iterator[Any]:
    """Quantise and dequantise what the node writes, under the name that it had."""
    from onnx import helper

    name = node.output[0]
    node.output[0] = f"{name}_moved"
    yield helper.make_node("QuantizeLinear", [node.output[0], *grid], [f"{name}_bytes"], name=f"{node.name}_bytes")
    yield helper.make_node("DequantizeLinear", [f"{name}_bytes", *grid], [name], name=f"{node.name}_floats")


def quantised_onnx(source: Path, cells: NDArray[np.uint8], out: Path) -> None:
    """Write the ONNX network of `source` (uint8 cells in) in int8; `cells` (N, S, S, 3) calibrate it.

    Raises LymphoscopeError where NNCF is not installed.
    """
    nncf = _nncf()
    import onnx

    model = onnx.load(source)
    dataset = nncf.Dataset([{"images": cell[None]} for cell in cells])
    with _quietly(nncf):
        # NNCF's full correction of biases does not come to its end on ONNX, and its fast one moves the scores further.
        options = _options(nncf, onnx_head(model), len(cells), disable_bias_correction=True)
        made = nncf.quantize(model, dataset, **options)
    make_unsigned(made)
    keep_moved_in_bytes(made)
    with written_beside(out) as beside:
        onnx.save(made, beside)


def quantised_openvino(source: Path, cells: NDArray[np.uint8]) -> Any:
    """The OpenVINO model of an ONNX network (uint8 cells in) in int8, as `quantised_onnx` makes it."""
    nncf = _nncf()
    import openvino
    from openvino import passes

    model = openvino.Core().read_model(str(source))
    # Weights of grouped convolutions are read with a reshape before them, through which NNCF takes the wrong axis for
    # the channels: OpenVINO then computes them in floats.
    folding = passes.Manager()
    folding.register_pass(passes.ConstantFolding())
    folding.run_passes(model)
    with _quietly(nncf):
        dataset = nncf.Dataset([cell[None] for cell in cells])
        return nncf.quantize(model, dataset, **_options(nncf, openvino_head(model), len(cells)))


def _options(nncf: Any, head: list[str], cells: int, **advanced: Any) -> dict[str, Any]:
    one_scale = nncf.quantization.advanced_parameters.QuantizationParameters(per_channel=False)
    return {
        "advanced_parameters": nncf.AdvancedQuantizationParameters(
            overflow_fix=nncf.OverflowFix.DISABLE if _has_vnni() else nncf.OverflowFix.ENABLE,
            # One scale an activation: ONNX Runtime's int8 convolution takes no scale a channel, and OpenVINO gives the
            # same labels with one or many.
            activations_quantization_params=one_scale,
            **advanced,
        ),
        "subset_size": cells,
        "preset": nncf.QuantizationPreset.MIXED,
        "fast_bias_correction": False,  # takes twice as long, and the scores differ half as much
        "ignored_scope": nncf.IgnoredScope(names=head, validate=False),
    }


def _has_vnni() -> bool:
    """Whether products of bytes are summed in 32 bits here; without, sums overflow unless weights keep to 7 bits.

    Estimate on the demonstration model and 346 cells: 96 % of labels as in float32 with 8 bits, 89 % with 7.
    """
    return has_instructions("avx512_vnni", "avx_vnni")


def _nncf() -> Any:
    try:
        import nncf
    except ImportError as error:
        raise LymphoscopeError("int8 needs NNCF: pip install 'lymphoscope[openvino]'") from error
    return nncf


@contextlib.contextmanager
def _quietly(nncf: Any) -> Iterator[None]:
    """Keep its progress bars off the terminal."""
    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
