"""GoogLeNet with batch norm: Szegedy et al., "Going deeper with convolutions", CVPR 2015, Table 1.

Differs from the article in the batch norm after every convolution, which takes the place of local response
normalisation, and in leaving out the two auxiliary classifiers. The 5x5 branches are 5x5.
"""

from torch import Tensor, nn

from lymphoscope.backbones.backbone import Backbone
from lymphoscope.backbones.layers import Branches, convolution, halving_pool

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
