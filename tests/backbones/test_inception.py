"""GoogLeNet and BN-Inception against the tables of their articles."""

import pytest
import torch
from torch import Tensor, nn

from lymphoscope.backbones import create_backbone
from lymphoscope.backbones.inception import Branches, InceptionV1, InceptionV2, convolution, halving_pool

# GoogLeNet, Table 1: depth and output size of the modules 3a to 5b.
V1_WIDTHS = (256, 480, 512, 512, 512, 528, 832, 832, 1024)
V1_SHAPES = [(width, side) for width, side in zip(V1_WIDTHS, [28] * 2 + [14] * 5 + [7] * 2, strict=True)]
# BN-Inception, Figure 5: the same.
V2_WIDTHS = (256, 320, 576, 576, 576, 576, 576, 1024, 1024, 1024)
V2_SHAPES = [(width, side) for width, side in zip(V2_WIDTHS, [28] * 2 + [14] * 5 + [7] * 3, strict=True)]


@pytest.mark.parametrize(("backbone_class", "shapes"), [(InceptionV1, V1_SHAPES), (InceptionV2, V2_SHAPES)])
def test_modules_have_the_shapes_of_the_article(
    backbone_class: type[InceptionV1 | InceptionV2], shapes: list[tuple[int, int]]
) -> None:
    outputs: list[torch.Size] = []
    with torch.device("meta"):
        backbone = backbone_class().eval()
        for stage in backbone.stages:
            for module in backbone.get_submodule(stage).children():
                module.register_forward_hook(lambda *call: outputs.append(call[2].shape[1:]))
        backbone(torch.empty(1, 3, 224, 224))
    assert outputs == [torch.Size((width, side, side)) for width, side in shapes]


def test_v1_has_true_5x5_branches() -> None:
    with torch.device("meta"):
        kernels = [layer.kernel_size for layer in InceptionV1().modules() if isinstance(layer, nn.Conv2d)]
    assert kernels.count((5, 5)) == 9
    assert kernels.count((7, 7)) == 1


def test_v2_has_double_3x3_branches_and_a_separable_stem() -> None:
    with torch.device("meta"):
        layers = [layer for layer in InceptionV2().modules() if isinstance(layer, nn.Conv2d)]
    kernels = [layer.kernel_size for layer in layers]
    assert (5, 5) not in kernels
    assert kernels.count((3, 3)) == 1 + 10 * 3
    first = layers[0]
    assert (first.kernel_size, first.groups, first.out_channels) == ((7, 7), 3, 24)


def test_v2_pools_by_maximum_in_the_last_module_and_those_of_stride_two_only() -> None:
    with torch.device("meta"):
        backbone = InceptionV2()
    pools = [
        type(layer)
        for stage in backbone.stages
        for layer in backbone.get_submodule(stage).modules()
        if isinstance(layer, nn.AvgPool2d | nn.MaxPool2d)
    ]
    average, maximum = nn.AvgPool2d, nn.MaxPool2d
    assert pools == [average, average, maximum, *[average] * 4, maximum, average, maximum]


@pytest.mark.parametrize("name", ["inception_v1", "inception_v2"])
def test_every_parameter_gets_a_gradient_and_no_convolution_has_a_bias(name: str) -> None:
    torch.manual_seed(0)
    backbone = create_backbone(name)
    features: Tensor = backbone(torch.randn(2, 3, 64, 64))
    features.square().mean().backward()
    for parameter_name, parameter in backbone.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, parameter_name
    assert not any(layer.bias is not None for layer in backbone.modules() if isinstance(layer, nn.Conv2d))


@pytest.mark.parametrize("name", ["inception_v1", "inception_v2"])
def test_maps_stay_centred_on_the_image(name: str) -> None:
    torch.manual_seed(0)
    backbone = create_backbone(name).eval()
    for size in (96, 161):
        image = torch.zeros(1, 3, size, size)
        middle = size // 2
        image[:, :, middle - 16 : middle + 17, middle - 16 : middle + 17] = 1.0
        change = (backbone(image) - backbone(torch.zeros_like(image))).abs().sum(dim=(0, 1))
        positions = torch.arange(len(change)) + 0.5
        centre = (change.sum(dim=1) * positions).sum() / change.sum() / len(change)
        assert centre.item() == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_convolution_keeps_the_size_and_is_never_negative(kernel: int) -> None:
    layer = convolution(2, 4, kernel)
    features = layer(torch.randn(2, 2, 9, 8))
    assert features.shape == (2, 4, 9, 8)
    assert (features >= 0).all()
    assert convolution(2, 4, kernel, stride=2)(torch.randn(2, 2, 9, 8)).shape == (2, 4, 5, 4)


@pytest.mark.parametrize("side", range(1, 12))
def test_halving_pool_rounds_up_and_is_symmetric(side: int) -> None:
    values = torch.randn(1, 1, 1, side)
    pooled = halving_pool()(values)
    assert pooled.shape[-1] == -(-side // 2)
    if side % 2:
        assert torch.equal(halving_pool()(values.flip(3)), pooled.flip(3))


def test_branches_are_concatenated() -> None:
    images = torch.randn(1, 2, 4, 4)
    both = Branches(nn.Identity(), nn.ReLU())(images)
    assert torch.equal(both, torch.cat([images, images.relu()], dim=1))
