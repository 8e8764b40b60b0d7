"""The base class of every backbone, and the size of a network: parameters and multiply-adds (columns of Table 3)."""

import copy
from typing import Self

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


class Backbone(nn.Module):
    """Images (B, 3, H, W) -> features (B, `channels`, h, w).

    The features are the last feature map before global pooling, or that of an earlier stage where the network was cut.
    `name` is the name that `create_backbone` takes.
    """

    def __init__(self, name: str, channels: int) -> None:
        super().__init__()
        self.name = name
        self.channels = channels
        self.is_frozen = False

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, C, h, w) of normalised images (B, 3, H, W)."""
        raise NotImplementedError

    def freeze(self) -> Self:
        """Fix all weights and the statistics of batch norm; `train()` no longer changes the mode."""
        self.is_frozen = True
        return self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Switch to training mode, except for a frozen backbone."""
        return super().train(mode and not self.is_frozen)


def count_parameters(network: nn.Module) -> int:
    """Return the number of parameters, trainable or not; the running statistics of batch norm are not parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


def multiply_adds(network: nn.Module, size: int = 300) -> int:
    """Return the multiply-adds of convolutions and matrix products in one pass over one image of `size` pixels.

    A prediction with three streams needs three passes. Computed from shapes on the meta device, without arithmetic.
    """
    shadow = copy.deepcopy(network).to("meta").eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shadow(torch.empty(1, 3, size, size, device="meta"))
    total: int = counter.get_total_flops()
    return total // 2  # the counter counts a multiplication and an addition as two operations
