"""Algorithm 1 over any runtime: which streams run, in which batches, and how they vote. NumPy arrays in and out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference.backends.protocol import Images, NetworkPass, NetworkRuntime
from lymphoscope.method.numpy import (
    StreamOutputs,
    check_finite,
    combine_streams,
    normalized_maps,
    oriented_views,
    softmax,
    stream_votes,
)
from lymphoscope.model_file import Description
from lymphoscope.vocabulary import STREAMS, ErasePolicy

RAW, CROP, ERASE = range(len(STREAMS))


@dataclass(frozen=True)
class StreamImages:
    """What the streams of B cells received, at S x S pixels."""

    maps: NDArray[np.float32]
    """(B, S, S) the guide map, 0-1 (Eq. 2)."""
    crops: NDArray[np.uint8]
    """(B, S, S, 3) RGB (Eq. 3)."""
    erased: NDArray[np.uint8]
    """(B, S, S, 3) RGB (Eq. 4)."""
    boxes: NDArray[np.int64]
    """(B, 4) top, left, bottom, right of the crops in pixels of the fitted cell, half open."""
    outputs: StreamOutputs


class Runtime(Protocol):
    """A model ready to compute, on any library and device. Methods may be called by several threads."""

    @property
    def description(self) -> Description:
        """The description of the model."""
        ...

    @property
    def options(self) -> Mapping[str, str]:
        """What the numbers depend on besides the model: runtime, device, precision, when the erase stream runs."""
        ...

    def predict(self, pixels: NDArray[np.uint8]) -> StreamOutputs:
        """Classify fitted cells (B, S, S, 3), RGB."""
        ...

    def predict_batches(self, batches: Iterable[NDArray[np.uint8]]) -> Iterator[StreamOutputs]:
        """Yield the outputs of `predict` for each of the batches, in order; work may be shared across them."""
        ...

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features (B, C) of fitted cells (B, S, S, 3), as `predict` does, by one pass of the network."""
        ...

    def explain(self, pixels: NDArray[np.uint8]) -> StreamImages:
        """Return what the streams of fitted cells (B, S, S, 3) received; no stream that the model uses is skipped.

        Raises LymphoscopeError for a model without attention.
        """
        ...


@dataclass(frozen=True)
class _Batch:
    """A batch of which the first streams have run; the third one is filled in later."""

    probabilities: NDArray[np.float32]
    """(3, B, K)"""
    boxes: NDArray[np.int64] | None
    features: NDArray[np.float32]


@dataclass(frozen=True)
class _Waiting:
    """A cell that needs its third stream: where the result goes, and what it takes."""

    batch: _Batch
    index: int
    pixels: NDArray[np.uint8]
    guide_map: NDArray[np.float32]


class TernaryRuntime:
    """The runtime of a network, with the streams and the vote of its model.

    `erase="on_disagreement"` (lazy voting) runs the third stream only for cells whose first two disagree: where two of
    three agree it cannot change the vote. The scores of the other cells are then the mean of two streams.
    A model that averages over several views of each cell runs its streams once per view.
    Raises LymphoscopeError for lazy voting with a model that decides by the mean of its streams or averages over views.
    """

    def __init__(self, network: NetworkRuntime, erase: ErasePolicy = "always") -> None:
        self.network = network
        description = network.description
        self._decision = description.test_time.decision
        self._streams = description.test_time.streams if description.architecture.head == "attention" else ("raw",)
        self._lazy = erase == "on_disagreement" and set(self._streams) == set(STREAMS)
        self._erase = erase
        if self._lazy and self._decision == "mean":
            raise LymphoscopeError(
                f"{description.name} decides by the mean of its streams, which --erase on_disagreement would change: "
                "use --erase always"
            )
        self._views = description.test_time.views
        if self._lazy and self._views > 1:
            raise LymphoscopeError(
                f"{description.name} averages over {self._views} views of each cell, of which --erase on_disagreement "
                "would skip some: use --erase always"
            )

    @property
    def description(self) -> Description:
        """The description of the model."""
        return self.network.description

    @property
    def options(self) -> Mapping[str, str]:
        """What the numbers depend on besides the model: runtime, device, precision, when the erase stream runs."""
        return {**self.network.options, "erase": self._erase}

    def predict(self, pixels: NDArray[np.uint8]) -> StreamOutputs:
        """Classify fitted cells (B, S, S, 3), RGB; a model without attention has the raw stream only.

        Raises LymphoscopeError for maps or logits that are not finite.
        """
        if not self._lazy:
            return self._outputs(self._mean_over_views(pixels))
        (outputs,) = self._gathered([pixels])
        return outputs

    def predict_batches(self, batches: Iterable[NDArray[np.uint8]]) -> Iterator[StreamOutputs]:
        """Yield the outputs of `predict` for each of the batches, in order.

        With lazy voting, the cells that need their third stream are gathered over all batches into full ones, and the
        outputs come after the last batch.
        """
        if self._lazy:
            yield from self._gathered(batches)
        else:
            yield from map(self.predict, batches)

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features (B, C) of fitted cells (B, S, S, 3), as `predict` does, by one pass of the network."""
        return self._pass(self.network.images(pixels)).features

    def explain(self, pixels: NDArray[np.uint8]) -> StreamImages:
        """Return what the streams of fitted cells (B, S, S, 3) received; no stream that the model uses is skipped.

        Raises LymphoscopeError for a model without attention.
        """
        self._check_attention()
        outputs = self._outputs(self._mean_over_views(pixels, every_stream=True))
        images = self.network.images(pixels)
        raw = self._pass(images)
        crops, boxes = self.network.crop(images, raw.guide_maps)
        crop_pixels = self.network.pixels(crops)
        return StreamImages(
            maps=normalized_maps(raw.guide_maps, pixels.shape[1]),
            crops=crop_pixels,
            erased=self.network.pixels(self.network.erase(images, raw.guide_maps)),
            boxes=boxes,
            outputs=outputs,
        )

    def _mean_over_views(self, pixels: NDArray[np.uint8], every_stream: bool = False) -> _Batch:
        """Run the streams on each view of the cells; boxes and features are those of the cells as they are."""
        first, *others = (self._first_streams(view, every_stream)[0] for view in oriented_views(pixels, self._views))
        if not others:
            return first
        probabilities = [first.probabilities, *(view.probabilities for view in others)]
        return replace(first, probabilities=np.mean(probabilities, axis=0, dtype=np.float32))

    def _gathered(self, batches: Iterable[NDArray[np.uint8]]) -> list[StreamOutputs]:
        started: list[_Batch] = []
        waiting: list[_Waiting] = []
        for pixels in batches:
            batch, guide_maps = self._first_streams(pixels)
            started.append(batch)
            if self._lazy:
                waiting += _disagreeing(batch, pixels, guide_maps)
                while len(waiting) >= len(pixels):
                    self._third_stream(waiting[: len(pixels)])
                    del waiting[: len(pixels)]
        if waiting:
            self._third_stream(waiting)
        return [self._outputs(batch) for batch in started]

    def _first_streams(
        self, pixels: NDArray[np.uint8], every_stream: bool = False
    ) -> tuple[_Batch, NDArray[np.float32]]:
        """Run raw and crop, and erase unless voting is lazy or with `every_stream`; return also the guide maps."""
        images = self.network.images(pixels)
        raw = self._pass(images)
        probabilities, boxes = _unfilled(raw), None
        probabilities[RAW] = softmax(raw.logits)
        if "crop" in self._streams:
            crops, boxes = self.network.crop(images, raw.guide_maps)
            probabilities[CROP] = softmax(self._pass(crops).logits)
        if "erase" in self._streams and (every_stream or not self._lazy):
            probabilities[ERASE] = softmax(self._pass(self.network.erase(images, raw.guide_maps)).logits)
        return _Batch(probabilities, boxes, raw.features), raw.guide_maps

    def _third_stream(self, waiting: Sequence[_Waiting]) -> None:
        """Run erase for cells of any batches, as one batch."""
        images = self.network.images(np.stack([cell.pixels for cell in waiting]))
        erased = self.network.erase(images, np.stack([cell.guide_map for cell in waiting]))
        for cell, values in zip(waiting, softmax(self._pass(erased).logits), strict=True):
            cell.batch.probabilities[ERASE, cell.index] = values

    def _outputs(self, batch: _Batch) -> StreamOutputs:
        return combine_streams(batch.probabilities, self._decision, batch.boxes, batch.features)

    def _pass(self, images: Images) -> NetworkPass:
        outputs = self.network.forward_with_features(images)
        check_finite(outputs.guide_maps, "attention maps")
        check_finite(outputs.logits, "logits")
        return outputs

    def _check_attention(self) -> None:
        if self.description.architecture.head != "attention":
            raise LymphoscopeError(f"{self.description.name} has a linear head: explain needs a model with attention")


def _unfilled(outputs: NetworkPass) -> NDArray[np.float32]:
    return np.full((len(STREAMS), *outputs.logits.shape), np.nan, dtype=np.float32)


def _disagreeing(batch: _Batch, pixels: NDArray[np.uint8], guide_maps: NDArray[np.float32]) -> Iterator[_Waiting]:
    votes = stream_votes(batch.probabilities)
    for index in np.flatnonzero(votes[RAW] != votes[CROP]).tolist():
        # Copies, so that the memory of the batch can be released.
        yield _Waiting(batch, index, pixels[index].copy(), guide_maps[index].copy())
