from .export_model import GraphName as GraphName, write_onnx as write_onnx, write_openvino as write_openvino
from .quantize import quantised_onnx as quantised_onnx, quantised_openvino as quantised_openvino

__all__ = ["GraphName", "quantised_onnx", "quantised_openvino", "write_onnx", "write_openvino"]
