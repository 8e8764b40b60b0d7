"""What the two Inceptions written here are made of.

GoogLeNet with batch norm: Szegedy et al., "Going deeper with convolutions", CVPR 2015, Table 1.

Differs from the article in the batch norm after every convolution, which takes the place of local response
normalisation, and in leaving out the two auxiliary classifiers. The 5x5 branches are 5x5.

BN-Inception: Ioffe & Szegedy, "Batch normalization", ICML 2015, arXiv 1502.03167, appendix, Figure 5.

For two classes it has 10,165,338 parameters without the attention head and 10,261,658 with it. The paper's 13.47 M and
13.57 M are not reproduced: no public BN-Inception that we know has that many.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lymphoscope.backbones.backbone import Backbone


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


# Columns of Table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
Row = tuple[int, int, int, int, int, int]
STAGE_3: tuple[Row, ...] = ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64))
STAGE_4: tuple[Row, ...] = (
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
)
STAGE_5: tuple[Row, ...] = ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128))


class InceptionV1(Backbone):
    """GoogLeNet's features: (B, 3, H, W) -> (B, 1024, h, w), h = H / 32 rounded up."""

    def __init__(self) -> None:
        super().__init__("inception_v1", _width(STAGE_5[-1]))
        self.stem = nn.Sequential(
            convolution(3, 64, 7, stride=2),
            halving_pool(),
            convolution(64, 64, 1),
            convolution(64, 192, 3),
            halving_pool(),
        )
        self.stage_3 = _stage(192, STAGE_3)
        self.stage_4 = _stage(_width(STAGE_3[-1]), STAGE_4)
        self.stage_5 = _stage(_width(STAGE_4[-1]), STAGE_5)
        self.pool = halving_pool()

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, 1024, h, w) of images (B, 3, H, W)."""
        features: Tensor = self.stage_3(self.stem(images))
        for stage in (self.stage_4, self.stage_5):
            features = stage(self.pool(features))
        return features


def _width(row: Row) -> int:
    one, _, three, _, five, projection = row
    return one + three + five + projection


def _stage(inputs: int, rows: tuple[Row, ...]) -> nn.Sequential:
    widths = (inputs, *map(_width, rows))
    return nn.Sequential(*(_inception(width, row) for width, row in zip(widths, rows, strict=False)))


def _inception(inputs: int, row: Row) -> Branches:
    one, reduce_three, three, reduce_five, five, projection = row
    return Branches(
        convolution(inputs, one, 1),
        nn.Sequential(convolution(inputs, reduce_three, 1), convolution(reduce_three, three, 3)),
        nn.Sequential(convolution(inputs, reduce_five, 1), convolution(reduce_five, five, 5)),
        nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), convolution(inputs, projection, 1)),
    )


@dataclass(frozen=True)
class StageRow:
    """A row of Figure 5: the channels of an inception module.

    `one` and `projection` are 0 in the two modules of stride 2, which have no 1x1 branch and pass the pool through.
    """

    one: int
    reduce_three: int
    three: int
    reduce_double: int
    double: int
    pool: str
    projection: int

    def width(self, inputs: int) -> int:
        """Channels that come out when `inputs` go in."""
        return self.one + self.three + self.double + (self.projection or inputs)


ROWS = (
    StageRow(64, 64, 64, 64, 96, "average", 32),  # 3a
    StageRow(64, 64, 96, 64, 96, "average", 64),
    StageRow(0, 128, 160, 64, 96, "max", 0),
    StageRow(224, 64, 96, 96, 128, "average", 128),  # 4a
    StageRow(192, 96, 128, 96, 128, "average", 128),
    StageRow(160, 128, 160, 128, 160, "average", 96),
    StageRow(96, 128, 192, 160, 192, "average", 96),
    StageRow(0, 128, 192, 192, 256, "max", 0),
    StageRow(352, 192, 320, 160, 224, "average", 128),  # 5a
    StageRow(352, 192, 320, 192, 224, "max", 128),
)


class InceptionV2(Backbone):
    """BN-Inception's features: (B, 3, H, W) -> (B, 1024, h, w), h = H / 32 rounded up."""

    def __init__(self) -> None:
        super().__init__("inception_v2", channels=1024)
        self.stem = nn.Sequential(
            _separable_stem(),
            halving_pool(),
            convolution(64, 64, 1),
            convolution(64, 192, 3),
            halving_pool(),
        )
        modules, width = [], 192
        for row in ROWS:
            modules.append(_inception_of_inception_v2(width, row))
            width = row.width(width)
        self.modules_3_to_5 = nn.Sequential(*modules)

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, 1024, h, w) of images (B, 3, H, W)."""
        features: Tensor = self.modules_3_to_5(self.stem(images))
        return features


def _separable_stem() -> nn.Sequential:
    """The appendix's first layer: separable, with depth multiplier 8 (8 filters of 7x7 a colour, then 1x1)."""
    spatial = nn.Conv2d(3, 3 * 8, 7, stride=2, padding=3, groups=3, bias=False)
    return nn.Sequential(spatial, *convolution(3 * 8, 64, 1))


def _inception_of_inception_v2(inputs: int, row: StageRow) -> Branches:
    stride = 1 if row.projection else 2
    three = nn.Sequential(convolution(inputs, row.reduce_three, 1), convolution(row.reduce_three, row.three, 3, stride))
    double = nn.Sequential(
        convolution(inputs, row.reduce_double, 1),
        convolution(row.reduce_double, row.double, 3),
        convolution(row.double, row.double, 3, stride),
    )
    if stride == 2:
        return Branches(three, double, halving_pool())
    kind = nn.AvgPool2d if row.pool == "average" else nn.MaxPool2d
    pool = nn.Sequential(kind(3, stride=1, padding=1), convolution(inputs, row.projection, 1))
    return Branches(convolution(inputs, row.one, 1), three, double, pool)
