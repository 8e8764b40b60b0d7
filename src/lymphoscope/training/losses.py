"""WS-DAN's centre loss (arXiv 1901.09891, Eq. 8 and 9): the parts of a class stay near its centre.

The losses of a step (section 2.3): one cross-entropy a stream, for labels that are classes or shares of classes.
"""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lymphoscope.method import WTDFN
from lymphoscope.training.recipe import Recipe
from lymphoscope.training.streams import StreamPass, passes_on, ternary_passes


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
        """Embeddings (B, D), labels (B,) -> a scalar; in training the centres move after it is taken."""
        embeddings = F.normalize(embeddings.float(), dim=1)
        target = F.normalize(self.centres[labels], dim=1)
        loss = (embeddings - target).square().sum(dim=1).mean()
        if self.training:
            self._move(embeddings.detach(), labels)
        return loss

    @torch.no_grad()
    def _move(self, embeddings: Tensor, labels: Tensor) -> None:
        # Scatter-add by class: indexed assignment would lose all but one update of a label that repeats.
        sums = torch.zeros_like(self.centres).index_add_(0, labels, embeddings)
        counts = torch.bincount(labels, minlength=len(self.centres)).unsqueeze(1)
        means = sums / counts.clamp(min=1)
        self.centres += self.rate * (means - self.centres) * (counts > 0)


Group = dict[str, Tensor]
"""Losses by stream that one optimiser step answers."""


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """Weighted mean cross-entropy of logits (B, K); a scalar, float32.

    `labels` are classes (B,), or shares of the classes (B, K) that sum to one, as MixUp and CutMix give them. `weights`
    (K,) count for a share as for a whole class, and the sum is divided by the weight of the batch: one class an image
    gives what torch gives for classes. (torch divides by B where labels are shares, which forgets the weights.)
    """
    logits = logits.float()
    if labels.ndim == 1:
        return F.cross_entropy(logits, labels, weights, label_smoothing=smoothing)
    weight = logits.new_ones(logits.shape[1]) if weights is None else weights  # (K,)
    surprise = -logits.log_softmax(dim=1) * weight  # (B, K)
    wanted = (1.0 - smoothing) * labels + smoothing / labels.shape[1]
    return (wanted * surprise).sum() / (labels * weight).sum()


class StepLosses(nn.Module):
    """What a recipe minimises: images and labels -> groups of losses, each to be answered by a step of its own.

    `class_weights` (K,) weigh the cross-entropy, or None.
    """

    class_weights: Tensor | None

    def __init__(self, recipe: Recipe, network: nn.Module, num_classes: int, class_weights: Tensor | None) -> None:
        super().__init__()
        self.recipe = recipe
        self.centre_loss = _centre_loss(network, recipe, num_classes)
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, network: nn.Module, images: Tensor, labels: Tensor, fill: Sequence[float]) -> Iterator[Group]:
        """Yield the losses of images (B, 3, S, S) and labels (B,) or (B, K); of the joint phases at once.

        With `phases: alternating` the passes of the second group are made after the first has been answered.
        """
        if not isinstance(network, WTDFN):
            yield {"raw": self._cross_entropy(network(images), labels)}
            return
        passes = passes_on(self.recipe.hardware.passes, images.device)
        streams = ternary_passes(network, images, self.recipe.attention, fill, passes)
        if self.recipe.optimisation.phases == "alternating":
            for group in streams:
                yield {each.stream: self._of(each, labels) for each in group}
        else:
            yield {each.stream: self._of(each, labels) for group in streams for each in group}

    def _of(self, stream: StreamPass, labels: Tensor) -> Tensor:
        loss = self._cross_entropy(stream.logits, labels)
        if self.centre_loss is not None and stream.stream == "raw":
            loss = loss + self.recipe.optimisation.centre_loss * self.centre_loss(stream.embeddings, labels)
        return loss

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(logits, labels, self.class_weights, self.recipe.optimisation.label_smoothing)


def _centre_loss(network: nn.Module, recipe: Recipe, num_classes: int) -> CentreLoss | None:
    if recipe.optimisation.centre_loss == 0.0 or not isinstance(network, WTDFN):
        return None
    return CentreLoss(num_classes, network.classifier.in_features)
