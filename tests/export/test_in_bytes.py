"""A graph made ready for bytes gives the same numbers, and runs in bytes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from lymphoscope.export.quantize import make_unsigned, requantize_copies

SIDE = 8


def constant(name: str, values: Any, kind: type) -> TensorProto:
    return numpy_helper.from_array(np.array(values, dtype=kind), name)


def quantised(source: str, grid: str) -> list[Any]:
    """`source` -> `source_dq`, on the grid named."""
    return [
        helper.make_node("QuantizeLinear", [source, f"{grid}_scale", f"{grid}_zero"], [f"{source}_q"]),
        helper.make_node("DequantizeLinear", [f"{source}_q", f"{grid}_scale", f"{grid}_zero"], [f"{source}_dq"]),
    ]


def model_of(nodes: list[Any], channels: int, second_scale: float = 0.05, also: tuple[str, ...] = ()) -> Any:
    """images (B, 2, S, S) -> active_dq; grids a (signed), b (as a, or of another scale) and out; 1x1 weights."""
    weights = np.random.default_rng(0).integers(-127, 128, (channels, channels, 1, 1))
    constants = [
        constant("a_scale", 0.05, np.float32), constant("a_zero", 3, np.int8),
        constant("b_scale", second_scale, np.float32), constant("b_zero", 3, np.int8),
        constant("out_scale", 0.02, np.float32), constant("out_zero", 0, np.uint8),
        constant("w_q", weights, np.int8), constant("w_scale", 0.01, np.float32), constant("w_zero", 0, np.int8),
    ]  # fmt: skip
    tail = [
        helper.make_node("DequantizeLinear", ["w_q", "w_scale", "w_zero"], ["w"]),
        helper.make_node("Conv", ["features", "w"], ["convolved"]),
        helper.make_node("Relu", ["convolved"], ["active"]),
        *quantised("active", "out"),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [*nodes, *tail],
        "graph",
        [value("images", TensorProto.FLOAT, ["batch", 2, SIDE, SIDE])],
        [value(name, TensorProto.FLOAT, ["batch", "channels", SIDE, SIDE]) for name in ("active_dq", *also)],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def shared() -> Any:
    """A signed activation that a convolution reads, and something else, as in a residual block."""
    again = helper.make_node("DequantizeLinear", ["images_q", "a_scale", "a_zero"], ["features"])
    beside = helper.make_node("Abs", ["images_dq"], ["beside"])
    return model_of([*quantised("images", "a"), again, beside], 2, also=("beside",))


def joined(second_scale: float = 0.05) -> Any:
    """Two branches on grids of their own, one of them through a maximum, laid side by side."""
    pool = helper.make_node("MaxPool", ["images_dq"], ["pooled"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    other = [helper.make_node("Neg", ["images"], ["negative"]), *quantised("negative", "b")]
    side_by_side = helper.make_node("Concat", ["pooled", "negative_dq"], ["features"], axis=1, name="concat")
    return model_of([*quantised("images", "a"), pool, *other, side_by_side], 4, second_scale)


def outputs(model: Any, out: Path | None = None) -> Any:
    """What ONNX Runtime says: one node at a time, or as it would run it, which is then written to `out`."""
    options = onnxruntime.SessionOptions()
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_EXTENDED if out else levels.ORT_DISABLE_ALL
    if out:
        options.optimized_model_filepath = str(out)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    images = np.random.default_rng(1).normal(0, 4, (3, 2, SIDE, SIDE)).astype(np.float32)
    return np.concatenate([values.ravel() for values in session.run(None, {"images": images})])


@pytest.mark.parametrize("make", [shared, joined])
def test_numbers_stay_and_convolutions_run_in_bytes(make: Callable[[], Any], tmp_path: Path) -> None:
    model = make()
    before = outputs(model)
    assert len(np.unique(before)) > 50
    outputs(model, tmp_path / "before.onnx")
    make_unsigned(model)
    requantize_copies(model)
    onnx.checker.check_model(model)
    np.testing.assert_array_equal(outputs(model), before)
    outputs(model, tmp_path / "after.onnx")
    assert "QLinearConv" not in kinds(tmp_path / "before.onnx")
    assert "QLinearConv" in kinds(tmp_path / "after.onnx")


def test_branches_of_different_scales_are_left_as_they_are() -> None:
    model = joined(second_scale=0.07)
    before = outputs(model)
    requantize_copies(model)
    concat = next(node for node in model.graph.node if node.op_type == "Concat")
    assert concat.output[0] == "features"
    np.testing.assert_array_equal(outputs(model), before)


def kinds(path: Path) -> set[str]:
    return {node.op_type for node in onnx.load(path).graph.node}
