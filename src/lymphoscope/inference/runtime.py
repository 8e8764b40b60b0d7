"""What a runtime gives, whatever computes it: NumPy arrays for a batch of fitted cells."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lymphoscope.model_file import Description


@dataclass(frozen=True)
class StreamOutputs:
    """The streams and their vote for B cells and K classes (Eq. 5, Algorithm 1)."""

    labels: NDArray[np.int64]
    """(B,) the vote, an index of the classes."""
    scores: NDArray[np.float32]
    """(B, K) mean softmax of the streams that were used."""
    probabilities: NDArray[np.float32]
    """(3, B, K) softmax of each of evaluation's STREAMS, NaN where it was skipped."""
    votes: NDArray[np.int64]
    """(3, B) the label of each of evaluation's STREAMS, -1 where it was skipped."""
    agreement: NDArray[np.float32]
    """(B,) share of the streams used that voted for the label."""
    boxes: NDArray[np.int64] | None
    """(B, 4) top, left, bottom, right of the crop in pixels of the fitted cell, half open; None without that stream."""
    features: NDArray[np.float32] | None = None
    """(B, C) the raw cell's last feature map, averaged over (h, w); None where the runtime does not give it."""


@dataclass(frozen=True)
class StreamPictures:
    """What the streams of B cells saw, at S x S pixels."""

    maps: NDArray[np.float32]
    """(B, S, S) the guiding attention map, 0-1 (Eq. 2)."""
    crops: NDArray[np.uint8]
    """(B, S, S, 3) RGB (Eq. 3)."""
    erased: NDArray[np.uint8]
    """(B, S, S, 3) RGB (Eq. 4)."""
    boxes: NDArray[np.int64]
    """(B, 4) top, left, bottom, right of the crops in pixels of the fitted cell, half open."""
    outputs: StreamOutputs


class Runtime(Protocol):
    """A model ready to compute, on whatever library and device."""

    @property
    def description(self) -> Description:
        """The model that is computed."""
        ...

    @property
    def options(self) -> Mapping[str, str]:
        """What else the numbers depend on: runtime, device, precision, when the erase stream runs."""
        ...

    def predict(self, pixels: NDArray[np.uint8]) -> StreamOutputs:
        """Classify fitted cells (B, S, S, 3), RGB."""
        ...

    def predict_batches(self, batches: Iterable[NDArray[np.uint8]]) -> Iterator[StreamOutputs]:
        """Yield what `predict` gives for each of the batches, in their order; work may be gathered across them."""
        ...

    def explain(self, pixels: NDArray[np.uint8]) -> StreamPictures:
        """Show what the streams of fitted cells (B, S, S, 3) saw; none that the model uses is skipped.

        Raises LymphoscopeError for a model without attention.
        """
        ...
