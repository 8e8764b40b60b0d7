"""Which nodes of an exported graph are its head: all that no convolution comes after."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

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
