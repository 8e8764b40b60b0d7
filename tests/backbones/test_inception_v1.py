"""GoogLeNet against Table 1 of its article."""

import pytest
import torch
from torch import Tensor, nn

from lymphoscope.backbones import create_backbone
from lymphoscope.backbones.inception import InceptionV1

# Table 1: depth of the modules 3a to 5b.
WIDTHS = (256, 480, 512, 512, 512, 528, 832, 832, 1024)


def modules_of(backbone: InceptionV1) -> list[nn.Module]:
    return [*backbone.stage_3, *backbone.stage_4, *backbone.stage_5]


def test_modules_are_those_of_the_article() -> None:
    with torch.device("meta"):
        backbone = InceptionV1().eval()
        shapes: list[torch.Size] = []
        for module in modules_of(backbone):
            module.register_forward_hook(lambda *call: shapes.append(call[2].shape[1:]))
        backbone(torch.empty(1, 3, 224, 224))
    sides = [28] * 2 + [14] * 5 + [7] * 2
    assert shapes == [torch.Size((width, side, side)) for width, side in zip(WIDTHS, sides, strict=True)]


def test_the_wide_branches_are_five_pixels_wide() -> None:
    with torch.device("meta"):
        kernels = [layer.kernel_size for layer in InceptionV1().modules() if isinstance(layer, nn.Conv2d)]
    assert kernels.count((5, 5)) == 9
    assert kernels.count((7, 7)) == 1


@pytest.mark.parametrize("name", ["inception_v1", "inception_v2"])
def test_every_parameter_learns_and_every_convolution_is_normalised(name: str) -> None:
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
        places = torch.arange(len(change)) + 0.5
        centre = (change.sum(dim=1) * places).sum() / change.sum() / len(change)
        assert centre.item() == pytest.approx(0.5, abs=0.06)
