"""Batch norm frozen, or replaced by group norm: batch norm is what fails first on images of another laboratory."""

from typing import Literal

import torch
from timm.layers.norm_act import BatchNormAct2d, GroupNormAct, freeze_batch_norm_2d
from torch import nn

Norm = Literal["batch", "frozen", "group"]

MAX_GROUPS = 32


def convert_norm(network: nn.Module, norm: Norm) -> nn.Module:
    """Convert every BatchNorm2d of a network in place, and return the network.

    `batch` changes nothing. `frozen` fixes statistics, weight and bias at their current values, in training too (timm),
    so that no cell depends on the others of its batch. `group` replaces it by group norm (Wu & He, ECCV 2018) with the
    same weight and bias: each cell is normalised independently, in training and in prediction alike.
    """
    if norm == "frozen":
        frozen: nn.Module = freeze_batch_norm_2d(network)  # type: ignore[no-untyped-call]
        return frozen
    if norm == "group":
        for name, child in list(network.named_children()):
            setattr(
                network, name, _group_norm(child) if isinstance(child, nn.BatchNorm2d) else convert_norm(child, norm)
            )
    return network


def num_groups(channels: int) -> int:
    """Return the largest divisor of `channels` up to 32 that leaves two channels per group; 1 for a prime number.

    A channel alone in its group would lose its strength in an image (instance norm), and on a 1x1 map everything.
    """
    return max(count for count in range(1, MAX_GROUPS + 1) if channels % count == 0 and 2 * count <= max(channels, 2))


def _group_norm(layer: nn.BatchNorm2d) -> nn.GroupNorm:
    channels, groups = layer.num_features, num_groups(layer.num_features)
    replacement: nn.GroupNorm
    if isinstance(layer, BatchNormAct2d):
        replacement = GroupNormAct(channels, num_groups=groups, eps=layer.eps, affine=layer.affine)
        replacement.drop, replacement.act = layer.drop, layer.act
    else:
        replacement = nn.GroupNorm(groups, channels, layer.eps, layer.affine)
    if layer.affine:
        with torch.no_grad():
            replacement.weight.copy_(layer.weight)
            replacement.bias.copy_(layer.bias)
    return replacement
