"""A trained model written for runtimes without torch: the network, or all of Algorithm 1, as one graph."""

from lymphoscope.model_file.export.int8 import quantised_onnx, quantised_openvino
from lymphoscope.model_file.export.write import GraphName, write_onnx, write_openvino

__all__ = ["GraphName", "quantised_onnx", "quantised_openvino", "write_onnx", "write_openvino"]
