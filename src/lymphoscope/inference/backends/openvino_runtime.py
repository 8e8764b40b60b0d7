"""The network computed by OpenVINO, from files that `lymphoscope export` wrote. Imports it when made."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lymphoscope.inference.backends.array_backend import NumpyCells
from lymphoscope.inference.backends.protocol import NetworkPass
from lymphoscope.model_file import Description

# The library would take bfloat16 by itself where the processor has it. What an int8 network leaves in floats stays so.
HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}
DTYPES: dict[str, type[np.uint8] | type[np.float32]] = {"u8": np.uint8, "f32": np.float32}


class OpenvinoRuntime(NumpyCells):
    """`network` is the .xml file of an export of this model; `precision` is what is computed in."""

    def __init__(self, description: Description, network: Path, precision: str, threads: int) -> None:
        self._compiled = compiled_model(network, HINTS[precision], threads)
        self._request = self._compiled.create_infer_request()
        super().__init__(description, DTYPES[self._compiled.input(0).element_type.get_type_name()], threads)
        self._precision = precision

    @property
    def options(self) -> Mapping[str, str]:
        """What the numbers depend on."""
        return {"runtime": "openvino", "device": "cpu", "precision": self._precision}

    def forward_with_features(self, images: NDArray[Any]) -> NetworkPass:
        """Run the network once."""
        found = self._request.infer([images], share_inputs=True)
        return NetworkPass(found["logits"], found["guides"], found["features"])


def compiled_model(network: Path, hint: str, threads: int) -> Any:
    """An OpenVINO or ONNX file compiled for the CPU; `hint` is f32 or bf16, never the library's own choice."""
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    return openvino.Core().compile_model(str(network), "CPU", settings)
