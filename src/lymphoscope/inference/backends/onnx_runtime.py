"""The network computed by ONNX Runtime, from a file that `lymphoscope export` wrote. Imports it when made."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lymphoscope.inference.backends.array_backend import NumpyCells
from lymphoscope.inference.backends.protocol import NetworkPass
from lymphoscope.model_file import Description

DTYPES: dict[str, type[np.uint8] | type[np.float32]] = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}


class OnnxRuntime(NumpyCells):
    """`network` is the .onnx file of an export of this model, in the precision that it was written in."""

    def __init__(self, description: Description, network: Path, precision: str, threads: int) -> None:
        self._session = onnx_session(network, threads)
        super().__init__(description, DTYPES[self._session.get_inputs()[0].type], threads)
        self._precision = precision

    @property
    def options(self) -> Mapping[str, str]:
        """What the numbers depend on."""
        return {"runtime": "onnx", "device": "cpu", "precision": self._precision}

    def forward_with_features(self, images: NDArray[Any]) -> NetworkPass:
        """Run the network once."""
        return NetworkPass(*self._session.run(["logits", "guides", "features"], {"images": images}))


def onnx_session(network: Path, threads: int) -> Any:
    """An ONNX file on the CPU, ready to run."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that wait by spinning would take the processor from those that decode the next cells.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])
