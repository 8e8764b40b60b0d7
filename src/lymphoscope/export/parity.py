"""How closely the outputs of an exported model agree with those of torch in float32, on the same cells."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference import Runtime, TernaryRuntime
from lymphoscope.inference.backends import open_network
from lymphoscope.inference.backends.registry import RunGraph
from lymphoscope.method.numpy import StreamOutputs
from lymphoscope.model_file import Parity

BATCH_SIZE = 16
GRAPH_BATCH_SIZE = 8

MAX_SOFTMAX_DIFFERENCE = 1e-4
"""float32: bound on the difference of a softmax of raw or crop; labels and boxes must be equal."""
MAX_SCORE_DIFFERENCE = 0.01
"""float32: bound on the difference of a score, which includes the erase stream.

A pixel whose attention equals the threshold up to rounding is erased by one library and not by another. Measured in one
to three of a hundred cells of C-NMC, where it changed a score by up to 2e-3.
"""


def reference_outputs(folder: Path, pixels: NDArray[np.uint8]) -> StreamOutputs:
    """Return the outputs of torch in float32 on the CPU for fitted cells (N, S, S, 3), with all streams."""
    return outputs_in_batches(TernaryRuntime(open_network(folder, runtime="torch", device="cpu")), pixels)


def outputs_in_batches(runtime: Runtime, pixels: NDArray[np.uint8]) -> StreamOutputs:
    """Return the outputs of a runtime for fitted cells (N, S, S, 3), computed in batches."""
    batches = [pixels[start : start + BATCH_SIZE] for start in range(0, len(pixels), BATCH_SIZE)]
    return _concatenate([runtime.predict(batch) for batch in batches])


def graph_outputs(run: RunGraph, pixels: NDArray[np.uint8]) -> StreamOutputs:
    """Return the outputs of Algorithm 1 as one graph for fitted cells (N, S, S, 3), without features."""
    parts = []
    for start in range(0, len(pixels), GRAPH_BATCH_SIZE):
        part = run(pixels[start : start + GRAPH_BATCH_SIZE])
        labels, votes = part["labels"], part["votes"]
        agreement = (votes == labels).sum(axis=0) / (votes >= 0).sum(axis=0)
        parts.append(
            StreamOutputs(
                labels, part["scores"], part["probabilities"], votes, agreement.astype(np.float32), part["boxes"]
            )
        )
    return _concatenate(parts)


def measure_parity(outputs: StreamOutputs, reference: StreamOutputs, source: str) -> Parity:
    """Compare the outputs for the same cells; `source` says where the cells are from."""
    overlap = _overlap(outputs.boxes, reference.boxes)
    difference = np.abs(outputs.scores - reference.scores)
    return Parity(
        cells=len(outputs.labels),
        source=source,
        labels=float((outputs.labels == reference.labels).mean()),
        boxes=float((overlap == 1).mean()),
        boxes_iou=float(overlap.min()),
        scores=float(difference.max()),
        mean_scores=float(difference.mean()),
        first_streams=float(np.nanmax(np.abs(outputs.probabilities[:2] - reference.probabilities[:2]))),
    )


def check_parity(parity: Parity, precision: str, min_label_agreement: float) -> None:
    """Raise LymphoscopeError if an export differs from torch float32 by more than its precision may."""
    if precision == "float32":
        equal = parity.labels == parity.boxes == 1
        if not equal or parity.first_streams > MAX_SOFTMAX_DIFFERENCE or parity.scores > MAX_SCORE_DIFFERENCE:
            raise LymphoscopeError(
                f"the export differs from torch float32 and was removed: raw and crop by up to "
                f"{parity.first_streams:.1e} (bound {MAX_SOFTMAX_DIFFERENCE:g}), scores by {parity.scores:.1e} (bound "
                f"{MAX_SCORE_DIFFERENCE:g}), labels equal {parity.labels:.2%}, boxes equal {parity.boxes:.2%}"
            )
    elif parity.labels < min_label_agreement:
        raise LymphoscopeError(
            f"{precision}: {parity.labels:.2%} of labels equal those of float32, fewer than {min_label_agreement:.2%}; "
            "the export was removed. Lower --min-label-agreement, or calibrate with more cells"
        )


def _concatenate(parts: list[StreamOutputs]) -> StreamOutputs:
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


def _overlap(boxes: NDArray[np.int64] | None, reference: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """Intersection over union of pairs of boxes (N, 4) -> (N,); 1 where neither has any."""
    if boxes is None or reference is None:
        return np.ones(1)
    sides = np.minimum(boxes, reference)[:, 2:] - np.maximum(boxes, reference)[:, :2]
    common = sides.clip(min=0).prod(axis=1)
    areas = [(some[:, 2:] - some[:, :2]).prod(axis=1) for some in (boxes, reference)]
    overlap: NDArray[np.float64] = common / (areas[0] + areas[1] - common)
    return overlap
