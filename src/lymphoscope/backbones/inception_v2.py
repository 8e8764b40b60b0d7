"""BN-Inception: Ioffe & Szegedy, "Batch normalization", ICML 2015, arXiv 1502.03167, appendix, Figure 5.

For two classes it has 10,165,338 parameters without the attention head and 10,261,658 with it. The paper's 13.47 M and
13.57 M are not reproduced: no public BN-Inception that we know has that many.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from lymphoscope.backbones.backbone import Backbone
from lymphoscope.backbones.layers import Branches, convolution, halving_pool


@dataclass(frozen=True)
class Row:
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
    Row(64, 64, 64, 64, 96, "average", 32),  # 3a
    Row(64, 64, 96, 64, 96, "average", 64),
    Row(0, 128, 160, 64, 96, "max", 0),
    Row(224, 64, 96, 96, 128, "average", 128),  # 4a
    Row(192, 96, 128, 96, 128, "average", 128),
    Row(160, 128, 160, 128, 160, "average", 96),
    Row(96, 128, 192, 160, 192, "average", 96),
    Row(0, 128, 192, 192, 256, "max", 0),
    Row(352, 192, 320, 160, 224, "average", 128),  # 5a
    Row(352, 192, 320, 192, 224, "max", 128),
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
            modules.append(_inception(width, row))
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


def _inception(inputs: int, row: Row) -> Branches:
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
