"""How near the outputs of one runtime are to those of torch in float32, on the same cells.

The file of all of Algorithm 1, run as an instrument would: one session, cells in, vote out.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lymphoscope.inference.backends.onnx_runtime import onnx_session
from lymphoscope.inference.backends.openvino_runtime import HINTS, compiled_model
from lymphoscope.inference.backends.registry import default_threads, open_network
from lymphoscope.inference.ternary import Runtime, TernaryRuntime
from lymphoscope.method.numpy import StreamOutputs
from lymphoscope.model_file import Parity

BATCH = 16


def reference_outputs(folder: Path, pixels: NDArray[np.uint8]) -> StreamOutputs:
    """What torch in float32 on the CPU says of fitted cells (N, S, S, 3), all streams."""
    return outputs_in_batches(TernaryRuntime(open_network(folder, runtime="torch", device="cpu")), pixels)


def outputs_in_batches(runtime: Runtime, pixels: NDArray[np.uint8]) -> StreamOutputs:
    """What a runtime says of fitted cells (N, S, S, 3), a batch at a time."""
    return joined_outputs([runtime.predict(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH)])


def joined_outputs(parts: list[StreamOutputs]) -> StreamOutputs:
    """Batches of outputs as one."""
    boxes = [part.boxes for part in parts if part.boxes is not None]
    features = [part.features for part in parts if part.features is not None]
    return StreamOutputs(
        labels=np.concatenate([part.labels for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        probabilities=np.concatenate([part.probabilities for part in parts], axis=1),
        votes=np.concatenate([part.votes for part in parts], axis=1),
        agreement=np.concatenate([part.agreement for part in parts]),
        boxes=np.concatenate(boxes) if boxes else None,
        features=np.concatenate(features) if features else None,
    )


def measured_parity(found: StreamOutputs, wanted: StreamOutputs, source: str) -> Parity:
    """Compare the outputs of the same cells."""
    overlap = _overlap(found.boxes, wanted.boxes)
    difference = np.abs(found.scores - wanted.scores)
    return Parity(
        cells=len(found.labels),
        source=source,
        labels=float((found.labels == wanted.labels).mean()),
        boxes=float((overlap == 1).mean()),
        boxes_iou=float(overlap.min()),
        scores=float(difference.max()),
        mean_scores=float(difference.mean()),
        first_streams=float(np.nanmax(np.abs(found.probabilities[:2] - wanted.probabilities[:2]))),
    )


def _overlap(found: NDArray[np.int64] | None, wanted: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """Intersection over union of boxes (N, 4), a pair at a time; 1 where neither has any."""
    if found is None or wanted is None:
        return np.ones(1)
    inside = np.minimum(found, wanted)[:, 2:] - np.maximum(found, wanted)[:, :2]
    common = inside.clip(min=0).prod(axis=1)
    both = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (found, wanted)]
    overlap: NDArray[np.float64] = common / (both[0] + both[1] - common)
    return overlap


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
