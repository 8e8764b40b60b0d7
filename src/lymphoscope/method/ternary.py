"""Prediction from three streams (Algorithm 1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lymphoscope.errors import LymphoscopeError
from lymphoscope.method.attention import Fill, GuidingMap, attention_crop, attention_erase, test_map
from lymphoscope.method.network import WTDFN, PlainNetwork
from lymphoscope.method.voting import NO_VOTE, check_finite, plurality_vote, stream_votes

Stream = Literal["raw", "crop", "erase"]
STREAMS: tuple[Stream, ...] = ("raw", "crop", "erase")


@dataclass(frozen=True)
class TernaryPrediction:
    """What Algorithm 1 says of B images and K classes; streams are in the order raw, crop, erase.

    labels (B,) int64: the decision.
    scores (B, K): mean softmax of the streams used, which the vote lacks and AUC needs.
    probabilities (3, B, K): softmax of each stream, NaN where it was skipped.
    votes (3, B) int64: label of each stream, -1 where it was skipped.
    agreement (B,): share of the streams used that voted for the label.
    boxes (B, 4) int64: top, left, bottom, right of the crop in pixels of the network's input, half open; the whole
        image where there is no crop.
    maps (B, h, w): the guiding map before Eq. 2; zeros (B, 1, 1) for a network without maps.
    features (B, C): the raw image's last feature map, averaged; (B, 0) for a network that does not `describe`.
    """

    labels: Tensor
    scores: Tensor
    probabilities: Tensor
    votes: Tensor
    agreement: Tensor
    boxes: Tensor
    maps: Tensor
    features: Tensor


@torch.no_grad()
def predict_ternary(
    network: nn.Module,
    images: Tensor,
    *,
    map: GuidingMap = "mean",
    crop_threshold: float = 0.5,
    crop_padding: float = 0.0,
    erase_threshold: float = 0.5,
    fill: Fill = "mean",
    streams: Sequence[Stream] = STREAMS,
    decision: Literal["vote", "mean"] = "vote",
    erase: Literal["always", "on_disagreement"] = "always",
) -> TernaryPrediction:
    """Classify images (B, 3, H, W) by up to three streams guided by one map (Algorithm 1); deterministic, no gradient.

    `network` is a WTDFN in eval mode, or with the stream raw alone a network that gives logits only.
    `erase="on_disagreement"` runs the erase stream just where raw and crop disagree: where two of three agree it can't
    change a vote. `decision="mean"` takes the highest score instead of the vote.
    Raises LymphoscopeError for a network in training mode, streams that don't fit it or each other, a mean of
    streams skipped here and not there, and maps or logits that are not finite.
    """
    _check(network, streams, decision, erase)
    logits, maps, features = _describe(network, images, streams)
    guide = test_map(maps, map)
    probabilities = images.new_full((len(STREAMS), *logits.shape), torch.nan, dtype=torch.float32)
    probabilities[0] = _softmax(logits)
    boxes = _whole_image(images)
    if "crop" in streams:
        crops, boxes = attention_crop(images, guide, crop_threshold, crop_padding)
        probabilities[1] = _softmax(network(crops)[0])
    if "erase" in streams and (erase == "always" or "crop" not in streams):
        probabilities[2] = _softmax(network(attention_erase(images, guide, erase_threshold, fill))[0])
    elif "erase" in streams:
        votes = stream_votes(probabilities)
        rest = (votes[0] != votes[1]).nonzero()[:, 0]
        if len(rest):
            erased = attention_erase(images[rest], guide[rest], erase_threshold, fill)
            probabilities[2, rest] = _softmax(network(erased)[0])
    return _decide(probabilities, decision, boxes, guide, features)


def _check(network: nn.Module, streams: Sequence[Stream], decision: str, erase: str) -> None:
    if network.training:
        raise LymphoscopeError("the network is in training mode, where images of a batch mix: call eval() first")
    if "raw" not in streams or not set(streams) <= set(STREAMS):
        raise LymphoscopeError(f"streams {list(streams)}: want raw, and any of crop and erase beside it")
    if decision == "mean" and erase == "on_disagreement" and set(streams) == set(STREAMS):
        raise LymphoscopeError(
            "erase='on_disagreement' keeps the labels of a vote only: use decision='vote' or erase='always'"
        )


def _describe(network: nn.Module, images: Tensor, streams: Sequence[Stream]) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (B, K), maps (B, M, h, w), of a network without maps a flat one, and features (B, C)."""
    if isinstance(network, WTDFN):
        logits, maps, features = network.forward_with_features(images)
        check_finite(maps, "attention maps")
        return logits, maps, features
    if isinstance(network, PlainNetwork) and set(streams) == {"raw"}:
        return network.forward_with_features(images)
    output = network(images)
    if not isinstance(output, Tensor):
        logits, maps = output
        check_finite(maps, "attention maps")
        return logits, maps, logits.new_zeros(len(logits), 0)
    if set(streams) != {"raw"}:
        raise LymphoscopeError(f"streams {list(streams)}: a network without attention maps has the stream raw only")
    return output, output.new_zeros(len(output), 1, 1, 1), output.new_zeros(len(output), 0)


def _softmax(logits: Tensor) -> Tensor:
    check_finite(logits, "logits")
    return logits.float().softmax(dim=1)


def _whole_image(images: Tensor) -> Tensor:
    boxes = images.new_zeros((len(images), 4), dtype=torch.int64)
    boxes[:, 2], boxes[:, 3] = images.shape[2], images.shape[3]
    return boxes


def _decide(probabilities: Tensor, decision: str, boxes: Tensor, maps: Tensor, features: Tensor) -> TernaryPrediction:
    scores = probabilities.nanmean(dim=0)  # (B, K)
    votes = stream_votes(probabilities)  # (3, B)
    labels = plurality_vote(probabilities) if decision == "vote" else scores.argmax(dim=1)
    agreement = (votes == labels).sum(dim=0) / (votes != NO_VOTE).sum(dim=0)
    return TernaryPrediction(labels, scores, probabilities, votes, agreement, boxes, maps, features)
