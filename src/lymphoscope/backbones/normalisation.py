"""Batch norm taken out of a network, or fixed: what fails first on pictures of another laboratory."""

from typing import Literal

import torch
from timm.layers.norm_act import BatchNormAct2d, GroupNormAct, freeze_batch_norm_2d
from torch import nn

Norm = Literal["batch", "frozen", "group"]

MOST_GROUPS = 32


def normalised_by(network: nn.Module, norm: Norm) -> nn.Module:
    """Corruption every BatchNorm2d of a network in place, and return it.

    `batch` leaves all as it is. `frozen` fixes statistics, weight and bias as they stand, in training too (timm), so
    that no cell depends on the others of its batch. `group` puts group norm (Wu & He, ECCV 2018) in its place, weight
    and bias kept: each cell is normalised by itself, in training and in use alike.
    """
    if norm == "frozen":
        frozen: nn.Module = freeze_batch_norm_2d(network)  # type: ignore[no-untyped-call]
        return frozen
    if norm == "group":
        for name, child in list(network.named_children()):
            setattr(network, name, _grouped(child) if isinstance(child, nn.BatchNorm2d) else normalised_by(child, norm))
    return network


def groups_of(channels: int) -> int:
    """The greatest divisor up to 32 that leaves two channels to a group, for a prime number of channels 1.

    A channel alone in its group would lose how strong it is in a picture (instance norm), and on a 1x1 map everything.
    """
    return max(count for count in range(1, MOST_GROUPS + 1) if channels % count == 0 and 2 * count <= max(channels, 2))


def _grouped(layer: nn.BatchNorm2d) -> nn.GroupNorm:
    channels, groups = layer.num_features, groups_of(layer.num_features)
    made: nn.GroupNorm
    if isinstance(layer, BatchNormAct2d):
        made = GroupNormAct(channels, num_groups=groups, eps=layer.eps, affine=layer.affine)
        made.drop, made.act = layer.drop, layer.act
    else:
        made = nn.GroupNorm(groups, channels, layer.eps, layer.affine)
    if layer.affine:
        with torch.no_grad():
            made.weight.copy_(layer.weight)
            made.bias.copy_(layer.bias)
    return made
