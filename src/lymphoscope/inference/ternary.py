"""What a runtime gives, whatever computes it: NumPy arrays for a batch of fitted cells.

Algorithm 1 over any runtime: which streams run, in which batches, and how they vote.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference.backends.protocol import Images, NetworkPass, NetworkRuntime
from lymphoscope.method.numpy import (
    StreamOutputs,
    check_finite,
    combine_streams,
    normalized_maps,
    softmax,
    stream_votes,
)
from lymphoscope.model_file import Description


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


Erase = Literal["always", "on_disagreement"]
RAW, CROP, ERASE = 0, 1, 2  # of evaluation's STREAMS


@dataclass(frozen=True)
class _Begun:
    """A batch whose first streams have run; `probabilities` (3, B, K) is filled in as the third one does."""

    probabilities: NDArray[np.float32]
    boxes: NDArray[np.int64] | None
    features: NDArray[np.float32]


@dataclass(frozen=True)
class _Waiting:
    """A cell that needs its third stream: where the answer goes, and what it takes."""

    batch: _Begun
    place: int
    pixels: NDArray[np.uint8]
    guide: NDArray[np.float32]


class TernaryRuntime:
    """A network's runtime with the streams and the vote of its model around it.

    `erase="on_disagreement"` (lazy voting) runs the third stream only for cells whose first two disagree: where two of
    three agree it can't change the vote. Their score is then the mean of two.
    Raises LymphoscopeError where the model decides by the mean of all streams, which skipping would change.
    """

    def __init__(self, network: NetworkRuntime, erase: Erase = "always") -> None:
        self.network = network
        description = network.description
        self._use = description.test_time
        self._streams = self._use.streams if description.architecture.head == "attention" else ("raw",)
        self._lazy = erase == "on_disagreement" and set(self._streams) == {"raw", "crop", "erase"}
        self._erase = erase
        if self._lazy and self._use.decision == "mean":
            raise LymphoscopeError(
                f"{description.name} decides by the mean of its streams: --erase on_disagreement keeps only a vote's "
                "labels, use --erase always"
            )

    @property
    def description(self) -> Description:
        """The model that is computed."""
        return self.network.description

    @property
    def options(self) -> Mapping[str, str]:
        """What the numbers depend on beside the model."""
        return {**self.network.options, "erase": self._erase}

    def predict(self, pixels: NDArray[np.uint8]) -> StreamOutputs:
        """Classify fitted cells (B, S, S, 3), RGB; a model without attention has its raw stream alone.

        Raises LymphoscopeError for maps or logits that are not finite.
        """
        if not self._lazy:
            return self._outputs(self._begin(pixels)[0])
        (outputs,) = self._gathered([pixels])
        return outputs

    def predict_batches(self, batches: Iterable[NDArray[np.uint8]]) -> Iterator[StreamOutputs]:
        """Yield what `predict` gives for each of the batches, in their order.

        Cells that wait for their third stream are gathered over all of the batches into full ones: then the answers
        come when the last batch is in.
        """
        if self._lazy:
            yield from self._gathered(batches)
        else:
            yield from map(self.predict, batches)

    def explain(self, pixels: NDArray[np.uint8]) -> StreamPictures:
        """Show what the streams of fitted cells (B, S, S, 3) saw; none that the model uses is skipped.

        Raises LymphoscopeError for a model without attention.
        """
        self._check_attention()
        images = self.network.images(pixels)
        raw = self._pass(images)
        crops, boxes = self.network.crop(images, raw.guide_maps)
        erased = self.network.erase(images, raw.guide_maps)
        probabilities = _unfilled(raw)
        probabilities[RAW] = softmax(raw.logits)
        for place, name, seen in ((CROP, "crop", crops), (ERASE, "erase", erased)):
            if name in self._streams:
                probabilities[place] = softmax(self._pass(seen).logits)
        return StreamPictures(
            maps=normalized_maps(raw.guide_maps, pixels.shape[1]),
            crops=self.network.pixels(crops),
            erased=self.network.pixels(erased),
            boxes=boxes,
            outputs=self._outputs(_Begun(probabilities, boxes if "crop" in self._streams else None, raw.features)),
        )

    def _gathered(self, batches: Iterable[NDArray[np.uint8]]) -> list[StreamOutputs]:
        begun: list[_Begun] = []
        waiting: list[_Waiting] = []
        for pixels in batches:
            one, guide_maps = self._begin(pixels)
            begun.append(one)
            if self._lazy:
                waiting += _disagreeing(one, pixels, guide_maps)
                while len(waiting) >= len(pixels):
                    self._finish(waiting[: len(pixels)])
                    del waiting[: len(pixels)]
        if waiting:
            self._finish(waiting)
        return [self._outputs(one) for one in begun]

    def _begin(self, pixels: NDArray[np.uint8]) -> tuple[_Begun, NDArray[np.float32]]:
        images = self.network.images(pixels)
        raw = self._pass(images)
        probabilities, boxes = _unfilled(raw), None
        probabilities[RAW] = softmax(raw.logits)
        if "crop" in self._streams:
            crops, boxes = self.network.crop(images, raw.guide_maps)
            probabilities[CROP] = softmax(self._pass(crops).logits)
        if "erase" in self._streams and not self._lazy:
            probabilities[ERASE] = softmax(self._pass(self.network.erase(images, raw.guide_maps)).logits)
        return _Begun(probabilities, boxes, raw.features), raw.guide_maps

    def _finish(self, waiting: Sequence[_Waiting]) -> None:
        """Run the third stream of one batch of cells, wherever they came from."""
        images = self.network.images(np.stack([cell.pixels for cell in waiting]))
        erased = self.network.erase(images, np.stack([cell.guide for cell in waiting]))
        for cell, values in zip(waiting, softmax(self._pass(erased).logits), strict=True):
            cell.batch.probabilities[ERASE, cell.place] = values

    def _outputs(self, begun: _Begun) -> StreamOutputs:
        return combine_streams(begun.probabilities, self._use.decision, begun.boxes, begun.features)

    def _pass(self, images: Images) -> NetworkPass:
        found = self.network.forward_with_features(images)
        check_finite(found.guide_maps, "attention maps")
        check_finite(found.logits, "logits")
        return found

    def _check_attention(self) -> None:
        if self.description.architecture.head != "attention":
            raise LymphoscopeError(f"{self.description.name} has a linear head: explain needs a model with attention")


def _unfilled(found: NetworkPass) -> NDArray[np.float32]:
    return np.full((3, *found.logits.shape), np.nan, dtype=np.float32)


def _disagreeing(begun: _Begun, pixels: NDArray[np.uint8], guide_maps: NDArray[np.float32]) -> Iterator[_Waiting]:
    votes = stream_votes(begun.probabilities)
    for place in np.flatnonzero(votes[RAW] != votes[CROP]).tolist():
        yield _Waiting(begun, place, pixels[place].copy(), guide_maps[place].copy())  # copies, so that the batch can go
