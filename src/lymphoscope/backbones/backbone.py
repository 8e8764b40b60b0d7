"""What every backbone is: a module that knows how many channels its maps have.

How big a network is, and how much it computes (the columns of Table 3).
"""

import copy

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


class Backbone(nn.Module):
    """Images (B, 3, H, W) -> features (B, `channels`, h, w): the last feature map before global pooling.

    `name` is the one that `create_backbone` takes.
    """

    def __init__(self, name: str, channels: int) -> None:
        super().__init__()
        self.name = name
        self.channels = channels

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, C, h, w) of normalised images (B, 3, H, W)."""
        raise NotImplementedError


def count_parameters(network: nn.Module) -> int:
    """Number of parameters, trained or not; running statistics of batch norm are none."""
    return sum(parameter.numel() for parameter in network.parameters())


def multiply_adds(network: nn.Module, size: int = 300) -> int:
    """Multiply-adds of convolutions and matrix products in one pass over one image of `size` x `size` pixels.

    A prediction by three streams costs three times as many. Nothing is computed: the shapes alone tell.
    """
    shadow = copy.deepcopy(network).to("meta").eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shadow(torch.empty(1, 3, size, size, device="meta"))
    total: int = counter.get_total_flops()
    return total // 2  # the counter counts a multiplication and an addition as two
