"""The head of a graph is what no convolution comes after."""

from lymphoscope.export.quantize import GraphNode, head_names


def node(name: str, kind: str, reads: str, writes: str) -> GraphNode:
    return GraphNode(name, kind, frozenset(reads.split()), frozenset(writes.split()))


def test_nodes_on_the_way_to_a_convolution_are_no_head() -> None:
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


def test_a_grouped_convolution_of_openvino_is_one() -> None:
    graph = [
        node("weights", "Constant", "", "weights"),
        node("dw", "GroupConvolution", "x weights", "dw"),
        node("out", "Result", "dw", "out"),
    ]
    assert head_names(graph) == ["out"]


def test_a_graph_without_convolutions_is_all_head() -> None:
    assert head_names([node("a", "MatMul", "x", "y"), node("b", "Relu", "y", "z")]) == ["b", "a"]
