"""The two Inceptions that timm lacks.

InceptionV1 is GoogLeNet (Szegedy et al., "Going deeper with convolutions", CVPR 2015, Table 1), with batch norm after
every convolution in place of local response normalisation, and without the two auxiliary classifiers. The 5x5 branches
are 5x5.

InceptionV2 is BN-Inception (Ioffe & Szegedy, "Batch normalization", ICML 2015, arXiv 1502.03167, appendix, Figure 5).
With two classes it has 10,165,338 parameters without the attention head and 10,261,658 with it. The paper's 13.47 M and
13.57 M are not reproduced: no public BN-Inception that we know of has that many.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lymphoscope.backbones.registry import register_backbone
from lymphoscope.backbones.stages import SequentialBackbone


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Create a convolution without bias that keeps the size (at stride 1), batch norm and ReLU."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def halving_pool() -> nn.MaxPool2d:
    """Create a 3x3 max pooling of stride 2, n -> ceil(n / 2) pixels.

    Padded by one on both sides, so that a map stays centred on its image at any size.
    """
    return nn.MaxPool2d(3, stride=2, padding=1)


class Branches(nn.Module):
    """An inception module: all branches get the same input, and their channels are concatenated."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, sum of the branches' channels, h', w')."""
        return torch.cat([branch(features) for branch in self.branches], dim=1)


@dataclass(frozen=True)
class _V1Row:
    """Channels of one inception module: the columns of Table 1 of GoogLeNet."""

    one: int
    reduce_three: int
    three: int
    reduce_five: int
    five: int
    projection: int

    @property
    def channels(self) -> int:
        return self.one + self.three + self.five + self.projection

    def module(self, inputs: int) -> Branches:
        return Branches(
            convolution(inputs, self.one, 1),
            nn.Sequential(convolution(inputs, self.reduce_three, 1), convolution(self.reduce_three, self.three, 3)),
            nn.Sequential(convolution(inputs, self.reduce_five, 1), convolution(self.reduce_five, self.five, 5)),
            nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), convolution(inputs, self.projection, 1)),
        )


_V1_STAGE_3 = (_V1Row(64, 96, 128, 16, 32, 32), _V1Row(128, 128, 192, 32, 96, 64))
_V1_STAGE_4 = (
    _V1Row(192, 96, 208, 16, 48, 64),
    _V1Row(160, 112, 224, 24, 64, 64),
    _V1Row(128, 128, 256, 24, 64, 64),
    _V1Row(112, 144, 288, 32, 64, 64),
    _V1Row(256, 160, 320, 32, 128, 128),
)
_V1_STAGE_5 = (_V1Row(256, 160, 320, 32, 128, 128), _V1Row(384, 192, 384, 48, 128, 128))


@register_backbone("inception_v1", title="InceptionV1")
class InceptionV1(SequentialBackbone):
    """GoogLeNet's features: (B, 3, H, W) -> (B, 1024, h, w), h = H / 32 rounded up."""

    stages = ("stage_3", "stage_4", "stage_5")

    def __init__(self) -> None:
        super().__init__("inception_v1", _V1_STAGE_5[-1].channels)
        self.stem = nn.Sequential(
            convolution(3, 64, 7, stride=2),
            halving_pool(),
            convolution(64, 64, 1),
            convolution(64, 192, 3),
            halving_pool(),
        )
        self.stage_3 = _v1_stage(192, _V1_STAGE_3)
        self.pool_3 = halving_pool()
        self.stage_4 = _v1_stage(_V1_STAGE_3[-1].channels, _V1_STAGE_4)
        self.pool_4 = halving_pool()
        self.stage_5 = _v1_stage(_V1_STAGE_4[-1].channels, _V1_STAGE_5)


def _v1_stage(inputs: int, rows: tuple[_V1Row, ...]) -> nn.Sequential:
    channels = (inputs, *(row.channels for row in rows))
    return nn.Sequential(*(row.module(width) for width, row in zip(channels, rows, strict=False)))


@dataclass(frozen=True)
class _V2Row:
    """Channels of one inception module: a row of Figure 5 of BN-Inception.

    `one` and `projection` are 0 in the two modules of stride 2, which have no 1x1 branch and concatenate the pooled
    input.
    """

    one: int
    reduce_three: int
    three: int
    reduce_double: int
    double: int
    pool: str
    projection: int

    def channels(self, inputs: int) -> int:
        return self.one + self.three + self.double + (self.projection or inputs)

    def module(self, inputs: int) -> Branches:
        stride = 1 if self.projection else 2
        three = nn.Sequential(
            convolution(inputs, self.reduce_three, 1), convolution(self.reduce_three, self.three, 3, stride)
        )
        double = nn.Sequential(
            convolution(inputs, self.reduce_double, 1),
            convolution(self.reduce_double, self.double, 3),
            convolution(self.double, self.double, 3, stride),
        )
        if stride == 2:
            return Branches(three, double, halving_pool())
        pool_class = nn.AvgPool2d if self.pool == "average" else nn.MaxPool2d
        pool = nn.Sequential(pool_class(3, stride=1, padding=1), convolution(inputs, self.projection, 1))
        return Branches(convolution(inputs, self.one, 1), three, double, pool)


_V2_STAGE_3 = (
    _V2Row(64, 64, 64, 64, 96, "average", 32),
    _V2Row(64, 64, 96, 64, 96, "average", 64),
    _V2Row(0, 128, 160, 64, 96, "max", 0),
)
_V2_STAGE_4 = (
    _V2Row(224, 64, 96, 96, 128, "average", 128),
    _V2Row(192, 96, 128, 96, 128, "average", 128),
    _V2Row(160, 128, 160, 128, 160, "average", 96),
    _V2Row(96, 128, 192, 160, 192, "average", 96),
    _V2Row(0, 128, 192, 192, 256, "max", 0),
)
_V2_STAGE_5 = (
    _V2Row(352, 192, 320, 160, 224, "average", 128),
    _V2Row(352, 192, 320, 192, 224, "max", 128),
)


@register_backbone("inception_v2", title="InceptionV2")
class InceptionV2(SequentialBackbone):
    """BN-Inception's features: (B, 3, H, W) -> (B, 1024, h, w), h = H / 32 rounded up."""

    stages = ("stage_3", "stage_4", "stage_5")

    def __init__(self) -> None:
        super().__init__("inception_v2", channels=1024)
        self.stem = nn.Sequential(
            _separable_stem(),
            halving_pool(),
            convolution(64, 64, 1),
            convolution(64, 192, 3),
            halving_pool(),
        )
        width = 192
        for name, rows in zip(self.stages, (_V2_STAGE_3, _V2_STAGE_4, _V2_STAGE_5), strict=True):
            modules = []
            for row in rows:
                modules.append(row.module(width))
                width = row.channels(width)
            self.add_module(name, nn.Sequential(*modules))


def _separable_stem() -> nn.Sequential:
    """Create the appendix's first layer: separable, depth multiplier 8 (8 filters of 7x7 per colour, then 1x1)."""
    spatial = nn.Conv2d(3, 3 * 8, 7, stride=2, padding=3, groups=3, bias=False)
    return nn.Sequential(spatial, *convolution(3 * 8, 64, 1))
