"""The file of all of Algorithm 1, run as an instrument would: one session, cells in, vote out."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lymphoscope.inference.runtime import StreamOutputs
from lymphoscope.inference.runtimes.choose import default_threads
from lymphoscope.inference.runtimes.onnx_runtime import onnx_session
from lymphoscope.inference.runtimes.openvino_runtime import HINTS, compiled_model

OUTPUTS = ("labels", "scores", "probabilities", "votes", "boxes")


def whole_outputs(graph: Path, runtime: str, precision: str, pixels: NDArray[np.uint8]) -> StreamOutputs:
    """What the graph says of fitted cells (N, S, S, 3), a few at a time; its streams have no features."""
    run = _onnx(graph) if runtime == "onnx" else _openvino(graph, precision)
    parts = [run(pixels[start : start + 8]) for start in range(0, len(pixels), 8)]
    labels, scores, boxes = (np.concatenate([part[name] for part in parts]) for name in ("labels", "scores", "boxes"))
    probabilities, votes = (
        np.concatenate([part[name] for part in parts], axis=1) for name in ("probabilities", "votes")
    )
    agreement = (votes == labels).sum(axis=0) / (votes >= 0).sum(axis=0)
    return StreamOutputs(labels, scores, probabilities, votes, agreement.astype(np.float32), boxes)


def _onnx(graph: Path) -> Any:
    session = onnx_session(graph, default_threads())
    return lambda pixels: dict(zip(OUTPUTS, session.run(list(OUTPUTS), {"images": pixels}), strict=True))


def _openvino(graph: Path, precision: str) -> Any:
    request = compiled_model(graph, HINTS[precision], default_threads()).create_infer_request()

    def run(pixels: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        found = request.infer([pixels])
        return {name: found[name] for name in OUTPUTS}

    return run
