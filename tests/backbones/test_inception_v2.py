"""BN-Inception against Figure 5 of its article."""

import torch
from torch import nn

from lymphoscope.backbones.inception import InceptionV2

# Figure 5: output size and depth of the modules 3a to 5b.
SHAPES = [
    (256, 28),
    (320, 28),
    (576, 14),
    (576, 14),
    (576, 14),
    (576, 14),
    (576, 14),
    (1024, 7),
    (1024, 7),
    (1024, 7),
]


def test_modules_are_those_of_the_article() -> None:
    with torch.device("meta"):
        backbone = InceptionV2().eval()
        shapes: list[torch.Size] = []
        for module in backbone.modules_3_to_5:
            module.register_forward_hook(lambda *call: shapes.append(call[2].shape[1:]))
        backbone(torch.empty(1, 3, 224, 224))
    assert shapes == [torch.Size((width, side, side)) for width, side in SHAPES]


def test_the_five_pixels_are_two_times_three_and_the_stem_is_separable() -> None:
    with torch.device("meta"):
        layers = [layer for layer in InceptionV2().modules() if isinstance(layer, nn.Conv2d)]
    kernels = [layer.kernel_size for layer in layers]
    assert (5, 5) not in kernels
    assert kernels.count((3, 3)) == 1 + 10 * 3
    first = layers[0]
    assert (first.kernel_size, first.groups, first.out_channels) == ((7, 7), 3, 24)


def test_averages_but_for_the_last_module_and_those_of_stride_two() -> None:
    with torch.device("meta"):
        pools = [
            type(layer)
            for module in InceptionV2().modules_3_to_5
            for layer in module.modules()
            if isinstance(layer, nn.AvgPool2d | nn.MaxPool2d)
        ]
    average, largest = nn.AvgPool2d, nn.MaxPool2d
    assert pools == [average, average, largest, *[average] * 4, largest, average, largest]
