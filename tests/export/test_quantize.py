"""What is quantised and how: the head in floats, grouped convolutions in bytes, and graphs that run in bytes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from lymphoscope.export import quantize, quantize_onnx, quantize_openvino, synthetic_cells, write_onnx
from lymphoscope.export.quantize import GraphNode, head_names, make_unsigned, requantize_copies
from lymphoscope.inference.backends import onnx_runtime
from lymphoscope.model_file import Architecture, Description, Preprocessing, build_network, save_model

pytestmark = pytest.mark.slow

SIDE = 8
CELLS = synthetic_cells(64, 12).pixels


def node(name: str, node_type: str, reads: str, writes: str) -> GraphNode:
    return GraphNode(name, node_type, frozenset(reads.split()), frozenset(writes.split()))


def test_nodes_before_a_convolution_are_not_in_the_head() -> None:
    graph = [
        node("normalise", "Mul", "images scale", "x"),
        node("first", "Conv", "x w1", "y"),
        node("gate", "Sigmoid", "y", "g"),
        node("gated", "Mul", "y g", "features"),
        node("attention", "Conv", "features w2", "a"),
        node("active", "Relu", "a", "maps"),
        node("pool", "MatMul", "features maps", "parts"),
        node("guide", "ReduceMean", "maps", "guide_maps"),
    ]
    assert head_names(graph) == ["guide", "pool", "active"]


def test_a_grouped_convolution_of_openvino_ends_the_body() -> None:
    graph = [
        node("weights", "Constant", "", "weights"),
        node("dw", "GroupConvolution", "x weights", "dw"),
        node("out", "Result", "dw", "out"),
    ]
    assert head_names(graph) == ["out"]


def test_a_graph_without_convolutions_is_all_head() -> None:
    assert head_names([node("a", "MatMul", "x", "y"), node("b", "Relu", "y", "z")]) == ["b", "a"]


def constant(name: str, values: Any, dtype: type) -> TensorProto:
    return numpy_helper.from_array(np.array(values, dtype=dtype), name)


def quantised(source: str, grid: str) -> list[Any]:
    """`source` -> `source_dq`, on the grid named."""
    return [
        helper.make_node("QuantizeLinear", [source, f"{grid}_scale", f"{grid}_zero"], [f"{source}_q"]),
        helper.make_node("DequantizeLinear", [f"{source}_q", f"{grid}_scale", f"{grid}_zero"], [f"{source}_dq"]),
    ]


def model_of(nodes: list[Any], channels: int, second_scale: float = 0.05, also: tuple[str, ...] = ()) -> Any:
    """images (B, 2, S, S) -> active_dq; grids a (signed), b (as a, or with another scale) and out; 1x1 weights."""
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
    """A signed activation that a convolution and another node read, as in a residual block."""
    again = helper.make_node("DequantizeLinear", ["images_q", "a_scale", "a_zero"], ["features"])
    beside = helper.make_node("Abs", ["images_dq"], ["beside"])
    return model_of([*quantised("images", "a"), again, beside], 2, also=("beside",))


def joined(second_scale: float = 0.05) -> Any:
    """Two branches on their own grids, one of them through a maximum, concatenated."""
    pool = helper.make_node("MaxPool", ["images_dq"], ["pooled"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    other = [helper.make_node("Neg", ["images"], ["negative"]), *quantised("negative", "b")]
    side_by_side = helper.make_node("Concat", ["pooled", "negative_dq"], ["features"], axis=1, name="concat")
    return model_of([*quantised("images", "a"), pool, *other, side_by_side], 4, second_scale)


def outputs(model: Any, out: Path | None = None) -> Any:
    """The outputs of ONNX Runtime, node by node, or optimised as in use, which is then written to `out`."""
    options = onnxruntime.SessionOptions()
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_EXTENDED if out else levels.ORT_DISABLE_ALL
    if out:
        options.optimized_model_filepath = str(out)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    images = np.random.default_rng(1).normal(0, 4, (3, 2, SIDE, SIDE)).astype(np.float32)
    return np.concatenate([values.ravel() for values in session.run(None, {"images": images})])


@pytest.mark.parametrize("make", [shared, joined])
def test_convolutions_run_in_bytes_and_no_number_changes(make: Callable[[], Any], tmp_path: Path) -> None:
    model = make()
    before = outputs(model)
    assert len(np.unique(before)) > 50
    outputs(model, tmp_path / "before.onnx")
    make_unsigned(model)
    requantize_copies(model)
    onnx.checker.check_model(model)
    np.testing.assert_array_equal(outputs(model), before)
    outputs(model, tmp_path / "after.onnx")
    assert "QLinearConv" not in node_types(tmp_path / "before.onnx")
    assert "QLinearConv" in node_types(tmp_path / "after.onnx")


def test_branches_of_different_scales_are_not_requantized() -> None:
    model = joined(second_scale=0.07)
    before = outputs(model)
    requantize_copies(model)
    concat = next(node for node in model.graph.node if node.op_type == "Concat")
    assert concat.output[0] == "features"
    np.testing.assert_array_equal(outputs(model), before)


def node_types(path: Path) -> set[str]:
    return {node.op_type for node in onnx.load(path).graph.node}


@pytest.fixture(scope="module")
def floats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with depthwise convolutions and residual sums, as ONNX that takes bytes."""
    folder = tmp_path_factory.mktemp("floats")
    torch.manual_seed(0)
    architecture = Architecture(backbone="mobilenetv2_035")
    description = Description(
        name="depthwise",
        architecture=architecture,
        classes=("all", "hem"),
        blast_class="all",
        preprocessing=Preprocessing(crop_mode="center_crop", crop=64, size=64, mean=(0.5,) * 3, std=(0.2,) * 3),
    )
    save_model(build_network(architecture, 2).eval(), description, folder / "model")
    write_onnx(folder / "model", folder / "network.onnx", dtype="uint8")
    return folder / "network.onnx"


@pytest.fixture(scope="module")
def in_onnx(floats: Path) -> Path:
    quantize_onnx(floats, CELLS, floats.with_name("int8.onnx"))
    return floats.with_name("int8.onnx")


@pytest.fixture(scope="module")
def in_openvino(floats: Path) -> Any:
    return quantize_openvino(floats, CELLS)


def test_channels_have_the_mean_that_they_have_in_floats(
    floats: Path, in_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize, "correct_biases", lambda *_: None)
    quantize_onnx(floats, CELLS, tmp_path / "uncorrected.onnx")
    exact, before, after = (
        onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(
            ["features", "logits"], {"images": CELLS}
        )
        for path in (floats, tmp_path / "uncorrected.onnx", in_onnx)
    )
    # Features are read behind an activation, which changes the mean that its convolution has.
    for wanted, without, corrected, left in zip(exact, before, after, (0.6, 0.1), strict=True):
        lost = np.abs(without.mean(axis=0) - wanted.mean(axis=0)).mean()
        assert np.abs(corrected.mean(axis=0) - wanted.mean(axis=0)).mean() < left * lost


def nodes_of(model: Any, node_type: str) -> Iterator[Any]:
    return (node for node in model.get_ordered_ops() if node.get_type_name() == node_type)


def source(node: Any, index: int) -> Any:
    return node.input(index).get_source_output().get_node()


def test_a_grouped_convolution_has_bytes_and_one_scale_per_channel(in_openvino: Any) -> None:
    grouped = list(nodes_of(in_openvino, "GroupConvolution"))
    assert grouped
    for convolution in grouped:
        scaled = source(convolution, 1)  # weights = bytes * scale
        assert scaled.get_type_name() == "Multiply"
        assert source(source(scaled, 0), 0).get_element_type() == openvino.Type.i8
        assert list(source(scaled, 1).shape) == [convolution.input(1).get_shape()[0], 1, 1, 1, 1]


def test_the_head_is_not_quantised(in_openvino: Any, in_onnx: Path) -> None:
    pooled = next(nodes_of(in_openvino, "MatMul"))
    waiting, types = [pooled], set()
    while waiting:
        node = waiting.pop()
        types.add(node.get_type_name())
        waiting += [target.get_node() for value in node.outputs() for target in value.get_target_inputs()]
    assert "Result" in types
    assert "FakeQuantize" not in types
    graph = onnx.load(in_onnx).graph
    written = {name: node for node in graph.node for name in node.output}
    matmul = next(node for node in graph.node if node.op_type == "MatMul")
    assert not any("QuantizeLinear" in written[name].op_type for name in matmul.input)


def test_numbers_are_the_same_on_a_processor_that_would_overflow(
    in_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs, types = [], []
    for sums_exactly in (True, False):
        monkeypatch.setattr(onnx_runtime, "sums_bytes_in_32_bits", lambda given=sums_exactly: given)
        written = tmp_path / f"{sums_exactly}.onnx"
        options = onnx_runtime._session_options(threads=1)
        options.optimized_model_filepath = str(written)
        session = onnxruntime.InferenceSession(str(in_onnx), options, providers=["CPUExecutionProvider"])
        outputs.append(session.run(None, {"images": CELLS}))
        kinds = {constant.name: constant.data_type for constant in onnx.load(written).graph.initializer}
        types.append({kinds[node.input[3]] for node in onnx.load(written).graph.node if node.op_type == "QLinearConv"})
    assert types == [{TensorProto.INT8}, {TensorProto.UINT8}]
    for exact, other in zip(*outputs, strict=True):
        np.testing.assert_allclose(other, exact, atol=1e-5)


def test_biases_are_corrected_with_the_kernels_that_predict(
    floats: Path, in_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_runtime, "sums_bytes_in_32_bits", lambda: False)
    opened, open_any = [], onnxruntime.InferenceSession

    def opened_with(network: Any, options: Any, **more: Any) -> Any:
        opened.append(options.get_session_config_entry("session.x64quantprecision"))
        return open_any(network, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", opened_with)
    quantize.correct_biases(onnx.load(in_onnx), onnx.load(floats), CELLS[:1])
    assert set(opened) == {"1"}


def test_onnx_activations_are_unsigned(in_onnx: Path, tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "run.onnx")
    onnxruntime.InferenceSession(str(in_onnx), options, providers=["CPUExecutionProvider"])
    types = [node.op_type for node in onnx.load(tmp_path / "run.onnx").graph.node]
    # Only the convolutions that feed the head stay in floats: the last one of the features, and the attention.
    assert types.count("QLinearConv") > 10
    assert types.count("Conv") + types.count("FusedConv") <= 2
