"""Prediction from the raw, cropped and erased image (Algorithm 1), in torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from lymphoscope.errors import LymphoscopeError
from lymphoscope.method.attention import Fill, attention_crop, attention_erase, test_map
from lymphoscope.method.network import WTDFN, PlainNetwork
from lymphoscope.method.numpy.voting import NO_VOTE
from lymphoscope.method.orientations import oriented_views
from lymphoscope.method.voting import check_finite, plurality_vote, stream_votes
from lymphoscope.vocabulary import STREAMS, Decision, ErasePolicy, GuidingMap, Stream


@dataclass(frozen=True)
class TernaryPrediction:
    """The outputs of Algorithm 1 for B images and K classes; streams are in the order raw, crop, erase.

    labels (B,) int64: the predicted class.
    scores (B, K): mean softmax of the streams used. The vote alone has no score, which AUC needs.
    probabilities (3, B, K): softmax of each stream, NaN where it was skipped.
    votes (3, B) int64: predicted class of each stream, -1 where it was skipped.
    agreement (B,): share of the streams used that voted for the label.
    boxes (B, 4) int64: top, left, bottom, right of the crop in pixels of the network's input, half open; the whole
        image where there is no crop.
    maps (B, h, w): the guide map before Eq. 2; zeros (B, 1, 1) for a network without maps.
    features (B, C): the mean of the raw image's last feature map over (h, w); (B, 0) for a network without
        `forward_with_features`.
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
    decision: Decision = "vote",
    erase: ErasePolicy = "always",
    views: int = 1,
) -> TernaryPrediction:
    """Classify images (B, 3, H, W) with up to three streams guided by one map (Algorithm 1); no gradient, no chance.

    `network` is a WTDFN in eval mode; with `streams=("raw",)` it may also be a network that returns logits only.
    `erase="on_disagreement"` runs the erase stream only where raw and crop disagree, because the third vote cannot
    change the label where the first two agree. `decision="mean"` takes the class of the highest score instead.
    The probabilities of each stream are averaged over the first `views` orientations of the images (1, 2, 4 or 8);
    boxes, maps and features are those of the images as they are.
    Raises LymphoscopeError for a network in training mode, for streams that the network does not support, for
    `erase="on_disagreement"` with `decision="mean"` or with several views, for an unknown number of views, and for maps
    or logits that are not finite.
    """
    _check_options(network, streams, decision, erase, views)
    first, *others = (
        _predict_view(network, view, map, crop_threshold, crop_padding, erase_threshold, fill, streams, erase)
        for view in oriented_views(images, views)
    )
    if not others:
        return _decide(first, decision)
    mean = torch.stack([first.probabilities, *(view.probabilities for view in others)]).mean(dim=0)
    return _decide(replace(first, probabilities=mean), decision)


@dataclass(frozen=True)
class _View:
    """The outputs of the streams for one orientation of the images, as in `TernaryPrediction`."""

    probabilities: Tensor
    boxes: Tensor
    maps: Tensor
    features: Tensor


def _predict_view(
    network: nn.Module,
    images: Tensor,
    map: GuidingMap,
    crop_threshold: float,
    crop_padding: float,
    erase_threshold: float,
    fill: Fill,
    streams: Sequence[Stream],
    erase: ErasePolicy,
) -> _View:
    logits, maps, features = _raw_pass(network, images, streams)
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
        disagreeing = (votes[0] != votes[1]).nonzero()[:, 0]
        if len(disagreeing):
            erased = attention_erase(images[disagreeing], guide[disagreeing], erase_threshold, fill)
            probabilities[2, disagreeing] = _softmax(network(erased)[0])
    return _View(probabilities, boxes, guide, features)


def _check_options(network: nn.Module, streams: Sequence[Stream], decision: str, erase: str, views: int) -> None:
    if network.training:
        raise LymphoscopeError(
            "the network is in training mode, where the images of a batch affect each other: call eval() first"
        )
    if "raw" not in streams or not set(streams) <= set(STREAMS):
        raise LymphoscopeError(f"streams {list(streams)}: must contain raw, and may contain crop and erase")
    if decision == "mean" and erase == "on_disagreement" and set(streams) == set(STREAMS):
        raise LymphoscopeError(
            "erase='on_disagreement' preserves the labels of a vote only: use decision='vote' or erase='always'"
        )
    if views > 1 and erase == "on_disagreement" and set(streams) == set(STREAMS):
        raise LymphoscopeError(
            f"erase='on_disagreement' does not work with a model that averages {views} views: use erase='always'"
        )


def _raw_pass(network: nn.Module, images: Tensor, streams: Sequence[Stream]) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (B, K), maps (B, M, h, w), and features (B, C); one flat map for a network without maps."""
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
        raise LymphoscopeError(
            f"streams {list(streams)}: a network without attention maps supports the raw stream only"
        )
    return output, output.new_zeros(len(output), 1, 1, 1), output.new_zeros(len(output), 0)


def _softmax(logits: Tensor) -> Tensor:
    check_finite(logits, "logits")
    return logits.float().softmax(dim=1)


def _whole_image(images: Tensor) -> Tensor:
    boxes = images.new_zeros((len(images), 4), dtype=torch.int64)
    boxes[:, 2], boxes[:, 3] = images.shape[2], images.shape[3]
    return boxes


def _decide(view: _View, decision: str) -> TernaryPrediction:
    probabilities = view.probabilities
    scores = probabilities.nanmean(dim=0)  # (B, K)
    votes = stream_votes(probabilities)  # (3, B)
    labels = plurality_vote(probabilities) if decision == "vote" else scores.argmax(dim=1)
    agreement = (votes == labels).sum(dim=0) / (votes != NO_VOTE).sum(dim=0)
    return TernaryPrediction(labels, scores, probabilities, votes, agreement, view.boxes, view.maps, view.features)
