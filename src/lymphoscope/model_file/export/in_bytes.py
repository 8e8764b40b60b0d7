"""What ONNX Runtime needs in an int8 graph to compute it in bytes throughout; every number stays what it was."""

from collections.abc import Iterator
from typing import Any

import numpy as np

MOVING = frozenset({"Concat", "MaxPool"})
"""Operations that pass values on as they are."""

Grid = tuple[str, str]
"""The names of the scale and the zero point that a tensor's values are multiples of."""


def make_unsigned(model: Any) -> None:
    """Shift signed activations by 128, scale and values kept.

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
