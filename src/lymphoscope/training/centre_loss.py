"""WS-DAN's centre loss (arXiv 1901.09891, Eq. 8 and 9): the parts of a class stay near its centre."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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
