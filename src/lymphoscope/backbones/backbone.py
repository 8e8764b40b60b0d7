"""The base class of every backbone, and the size of a network: parameters and multiply-adds (columns of Table 3)."""

import copy
from typing import Self

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lymphoscope.backbones.folding import folded_copy


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
        # In a list, so that it is no part of the network: not in its weights, nor in its parameters.
        self._folded: list[nn.Module | None] = []

    def __call__(self, images: Tensor) -> Tensor:
        """Features (B, C, h, w) of images (B, 3, H, W); a frozen backbone computes them with folded batch norm."""
        folded = self._folded_for(images) if self.is_frozen else None
        features: Tensor = super().__call__(images) if folded is None else folded(images)
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, C, h, w) of normalised images (B, 3, H, W)."""
        raise NotImplementedError

    def freeze(self) -> Self:
        """Fix all weights and the statistics of batch norm; `train()` no longer changes the mode."""
        self.is_frozen = True
        self._folded.clear()
        return self.requires_grad_(False).eval()

    def _folded_for(self, images: Tensor) -> nn.Module | None:
        """Return the copy with folded batch norm, made when the weights are known and on their device."""
        if torch.compiler.is_compiling() or torch._C._is_tracing() or images.device.type == "meta":
            return None
        if self._folded and self._device_of(self._folded[0] or self) != images.device:
            self._folded.clear()
        if not self._folded:
            unfrozen = copy.copy(self)
            unfrozen.is_frozen = False
            self._folded.append(folded_copy(unfrozen))
        return self._folded[0]

    @staticmethod
    def _device_of(module: nn.Module) -> torch.device:
        return next(module.parameters()).device

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
