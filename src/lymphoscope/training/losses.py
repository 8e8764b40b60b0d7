"""The losses of a training step (section 2.3): the passes over the three streams, and one cross-entropy per stream.

Optionally WS-DAN's centre loss (arXiv 1901.09891, Eq. 8 and 9).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lymphoscope.method import WTDFN, attention_crop, attention_erase, draw_maps
from lymphoscope.training.recipe import AttentionRecipe, Recipe
from lymphoscope.vocabulary import Stream

Passes = Literal["one", "two"]
LossGroup = dict[Stream, Tensor]
"""Losses by stream; their mean is minimised by one optimiser step."""


@dataclass(frozen=True)
class StreamPass:
    """The output of one stream: logits (B, K), and embeddings (B, M*C) for the centre loss."""

    stream: Stream
    logits: Tensor
    embeddings: Tensor


def ternary_passes(
    network: WTDFN, images: Tensor, recipe: AttentionRecipe, fill: Sequence[float], passes: Passes = "one"
) -> Iterator[list[StreamPass]]:
    """Yield the raw pass over `images` (B, 3, H, W) (Phase-I), then the crop and erase passes (Phase-II).

    Crop and erase are computed in one pass of the network or in two. The caller may take an optimiser step between the
    two phases (`phases: alternating`); the guide maps are those of Phase-I, detached. `fill` is the normalised colour
    of erased pixels.
    """
    embeddings, maps = network.embed(images)
    yield [StreamPass("raw", network.classify(embeddings), embeddings)]
    crop_and_erase = crop_and_erase_images(images, maps.detach(), recipe, fill)
    if passes == "one":
        crop, erase = network.embed(torch.cat(crop_and_erase))[0].chunk(2)
    else:
        crop, erase = (network.embed(stream)[0] for stream in crop_and_erase)
    yield [StreamPass("crop", network.classify(crop), crop), StreamPass("erase", network.classify(erase), erase)]


def resolve_passes(passes: Literal["auto", "one", "two"], device: torch.device) -> Passes:
    """Resolve `auto` to what is faster on the device (docs/training.md): two passes on a CPU, one on a GPU."""
    if passes != "auto":
        return passes
    return "two" if device.type == "cpu" else "one"


def crop_and_erase_images(
    images: Tensor, maps: Tensor, recipe: AttentionRecipe, fill: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Crop and erase images (B, 3, H, W) by a drawn map each (B, M, h, w), or by two where none is shared."""
    crop_map = draw_maps(maps, recipe.map)
    erase_map = crop_map if recipe.share_map else draw_maps(maps, recipe.map)
    crop_threshold = _draw_threshold(recipe.crop_threshold, images)
    erase_threshold = _draw_threshold(recipe.erase_threshold, images)
    crops, _ = attention_crop(images, crop_map, crop_threshold, recipe.crop_padding)
    return crops, attention_erase(images, erase_map, erase_threshold, fill)


def _draw_threshold(threshold: float | tuple[float, float], images: Tensor) -> float | Tensor:
    if isinstance(threshold, float):
        return threshold
    low, high = threshold
    return low + (high - low) * torch.rand(len(images), device=images.device)


class StepLosses(nn.Module):
    """The losses that a recipe minimises, in groups of one optimiser step each.

    `class_weights` (K,) weight the cross-entropy, or None.
    """

    class_weights: Tensor | None

    def __init__(self, recipe: Recipe, network: nn.Module, num_classes: int, class_weights: Tensor | None) -> None:
        super().__init__()
        self.recipe = recipe
        self.centre_loss: CentreLoss | None = None
        if recipe.optimisation.centre_loss > 0.0 and isinstance(network, WTDFN):
            self.centre_loss = CentreLoss(num_classes, network.classifier.in_features)
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, network: nn.Module, images: Tensor, labels: Tensor, fill: Sequence[float]) -> Iterator[LossGroup]:
        """Yield the losses of images (B, 3, S, S) and labels (B,) or (B, K) (`cross_entropy`).

        In the joint phases one group; with `phases: alternating` the passes of the second group are computed after the
        step of the first.
        """
        if not isinstance(network, WTDFN):
            yield {"raw": self._cross_entropy(network(images), labels)}
            return
        passes = resolve_passes(self.recipe.hardware.passes, images.device)
        phases = ternary_passes(network, images, self.recipe.attention, fill, passes)
        if self.recipe.optimisation.phases == "alternating":
            for phase in phases:
                yield {output.stream: self._stream_loss(output, labels) for output in phase}
        else:
            yield {output.stream: self._stream_loss(output, labels) for phase in phases for output in phase}

    def _stream_loss(self, output: StreamPass, labels: Tensor) -> Tensor:
        loss = self._cross_entropy(output.logits, labels)
        if self.centre_loss is not None and output.stream == "raw":
            loss = loss + self.recipe.optimisation.centre_loss * self.centre_loss(output.embeddings, labels)
        return loss

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(logits, labels, self.class_weights, self.recipe.optimisation.label_smoothing)


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """Return the weighted mean cross-entropy of logits (B, K); a scalar, float32.

    `labels` are classes (B,), class probabilities (B, K) that sum to one, as MixUp and CutMix give them, or the classes
    that each cell may be (B, K), bool (`partial_label_loss`). `weights`
    (K,) apply to a probability as to a whole class, and the sum is divided by the weight of the batch, so that one-hot
    probabilities give the same as classes. (torch divides by B where labels are probabilities, which ignores weights.)
    """
    logits = logits.float()
    if labels.ndim == 1:
        return F.cross_entropy(logits, labels, weights, label_smoothing=smoothing)
    class_weights = logits.new_ones(logits.shape[1]) if weights is None else weights  # (K,)
    if labels.dtype == torch.bool:
        return partial_label_loss(logits, labels, class_weights, smoothing)
    losses = -logits.log_softmax(dim=1) * class_weights  # (B, K)
    targets = (1.0 - smoothing) * labels + smoothing / labels.shape[1]
    return (targets * losses).sum() / (labels * class_weights).sum()


def partial_label_loss(logits: Tensor, possible: Tensor, weights: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the weighted mean of -log of the summed probability of the `possible` classes (B, K), bool; a scalar.

    The marginal likelihood of Jin and Ghahramani ("Learning with multiple labels", NIPS 2002). The possible classes of
    a cell count as one class with the mean of their weights (K,). Smoothing gives each class outside smoothing / K, as
    with one label, and the possible classes together the rest. So one possible class gives the cross-entropy of that
    class, and a cell that may be of every class has no gradient.
    """
    log_probabilities = logits.log_softmax(dim=1)  # (B, K)
    inside = log_probabilities.masked_fill(~possible, -torch.inf).logsumexp(dim=1)  # (B,)
    others = (~possible).to(logits.dtype)  # (B, K)
    own_weight = (possible * weights).sum(dim=1) / possible.sum(dim=1)  # (B,)
    target = 1.0 - smoothing * others.mean(dim=1)  # (B,)
    outside = smoothing * (others * weights * log_probabilities).mean(dim=1)  # (B,)
    return -(target * own_weight * inside + outside).sum() / own_weight.sum()


class CentreLoss(nn.Module):
    """Mean squared distance of normalised embeddings (B, D) to the centres (K, D) of their classes.

    The centres start at zero and move in training by `rate` towards the mean embedding of their class in the batch.
    """

    centres: Tensor

    def __init__(self, num_classes: int, dimension: int, rate: float = 0.05) -> None:
        super().__init__()
        self.rate = rate
        self.register_buffer("centres", torch.zeros(num_classes, dimension))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Embeddings (B, D), labels (B,) -> a scalar; in training the centres move afterwards."""
        embeddings = F.normalize(embeddings.float(), dim=1)
        target = F.normalize(self.centres[labels], dim=1)
        loss = (embeddings - target).square().sum(dim=1).mean()
        if self.training:
            self._move_centres(embeddings.detach(), labels)
        return loss

    @torch.no_grad()
    def _move_centres(self, embeddings: Tensor, labels: Tensor) -> None:
        # Scatter-add by class: indexed assignment would lose all but one update of a label that repeats.
        sums = torch.zeros_like(self.centres).index_add_(0, labels, embeddings)
        counts = torch.bincount(labels, minlength=len(self.centres)).unsqueeze(1)
        means = sums / counts.clamp(min=1)
        self.centres += self.rate * (means - self.centres) * (counts > 0)
