from .exporter import (
    MIN_LABEL_AGREEMENT as MIN_LABEL_AGREEMENT,
    SampleCells as SampleCells,
    export_model as export_model,
    synthetic_cells as synthetic_cells,
)
from .graphs import write_onnx as write_onnx
from .quantize import quantize_onnx as quantize_onnx, quantize_openvino as quantize_openvino

__all__ = [
    "MIN_LABEL_AGREEMENT",
    "SampleCells",
    "export_model",
    "quantize_onnx",
    "quantize_openvino",
    "synthetic_cells",
    "write_onnx",
]
