from .exporter import (
    MIN_LABEL_AGREEMENT as MIN_LABEL_AGREEMENT,
    export_model as export_model,
)
from .graphs import write_onnx as write_onnx
from .quantize import quantize_onnx as quantize_onnx, quantize_openvino as quantize_openvino
from .sample_cells import (
    SampleCells as SampleCells,
    read_sample as read_sample,
    synthetic_cells as synthetic_cells,
)

__all__ = [
    "MIN_LABEL_AGREEMENT",
    "SampleCells",
    "export_model",
    "quantize_onnx",
    "quantize_openvino",
    "read_sample",
    "synthetic_cells",
    "write_onnx",
]
