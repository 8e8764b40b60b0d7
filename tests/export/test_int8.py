"""What is quantised and how: grouped convolutions in bytes, the head in floats, activations unsigned."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import openvino
import pytest
import torch

from lymphoscope.export import quantize_onnx, quantize_openvino, synthetic_cells, write_onnx
from lymphoscope.model_file import Architecture, Description, Preprocessing, build_network, save_model

CELLS = synthetic_cells(64, 12).pixels


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


def nodes_of(model: Any, kind: str) -> Iterator[Any]:
    return (node for node in model.get_ordered_ops() if node.get_type_name() == kind)


def source(node: Any, place: int) -> Any:
    return node.input(place).get_source_output().get_node()


def test_a_grouped_convolution_has_bytes_and_one_scale_a_channel(in_openvino: Any) -> None:
    grouped = list(nodes_of(in_openvino, "GroupConvolution"))
    assert grouped
    for convolution in grouped:
        scaled = source(convolution, 1)  # weights = bytes * scale
        assert scaled.get_type_name() == "Multiply"
        assert source(source(scaled, 0), 0).get_element_type() == openvino.Type.i8
        assert list(source(scaled, 1).shape) == [convolution.input(1).get_shape()[0], 1, 1, 1, 1]


def test_nothing_after_the_last_convolution_is_quantised(in_openvino: Any, in_onnx: Path) -> None:
    pooled = next(nodes_of(in_openvino, "MatMul"))
    after, seen = [pooled], set()
    while after:
        node = after.pop()
        seen.add(node.get_type_name())
        after += [target.get_node() for value in node.outputs() for target in value.get_target_inputs()]
    assert "Result" in seen
    assert "FakeQuantize" not in seen
    graph = onnx.load(in_onnx).graph
    written = {name: node for node in graph.node for name in node.output}
    matmul = next(node for node in graph.node if node.op_type == "MatMul")
    assert not any("QuantizeLinear" in written[name].op_type for name in matmul.input)


def test_activations_are_unsigned_so_that_convolutions_run_in_bytes(in_onnx: Path, tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "run.onnx")
    onnxruntime.InferenceSession(str(in_onnx), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "run.onnx").graph.node]
    # What is left in floats gives floats to the head: the features' last convolution and the attention's.
    assert kinds.count("QLinearConv") > 10
    assert kinds.count("Conv") + kinds.count("FusedConv") <= 2
