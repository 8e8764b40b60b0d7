"""What the two Inceptions written here are made of."""

import torch
from torch import Tensor, nn


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution without bias that keeps the size (at stride 1), batch norm, ReLU."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def halving_pool() -> nn.MaxPool2d:
    """3x3 max pooling of stride 2, n -> ceil(n / 2) pixels.

    Padded by one on both sides, so that a map stays centred on its image at any size.
    """
    return nn.MaxPool2d(3, stride=2, padding=1)


class Branches(nn.Module):
    """An inception module: the branches see the same input, and their channels are laid end to end."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, sum of the branches' channels, h', w')."""
        return torch.cat([branch(features) for branch in self.branches], dim=1)
