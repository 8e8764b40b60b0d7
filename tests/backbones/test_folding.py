"""A frozen backbone computes with folded batch norm what it computed before."""

import copy

import pytest
import torch
from torch import Tensor, nn

from lymphoscope.backbones import CutBackbone, create_backbone
from lymphoscope.backbones.folding import folded_copy
from lymphoscope.errors import LymphoscopeError


def with_statistics(network: nn.Module) -> nn.Module:
    """Give every batch norm statistics and weights that change something."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            with torch.no_grad():
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.1, generator=generator)
    return network.eval()


def images(size: int = 64) -> Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("name", "features"), [("efficientnet_lite0", "block3"), ("resnet18", None), ("mobilenetv2_100", None)]
)
def test_a_frozen_backbone_computes_the_same(name: str, features: str | None) -> None:
    backbone = create_backbone(name, features=features)
    with_statistics(backbone)
    with torch.no_grad():
        expected = backbone(images())
        weights = {key: value.clone() for key, value in backbone.state_dict().items()}
        found = backbone.freeze()(images())
    torch.testing.assert_close(found, expected, atol=1e-3 * float(expected.abs().max()), rtol=1e-3)
    assert backbone.state_dict().keys() == weights.keys()
    assert all(torch.equal(value, weights[key]) for key, value in backbone.state_dict().items())


def test_no_batch_norm_is_left_to_compute() -> None:
    backbone = with_statistics(create_backbone("efficientnet_lite0", features="block3"))
    folded = folded_copy(backbone)
    assert folded is not None
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())


class Reversed(nn.Module):
    """Runs its norm before the convolution that comes first among its children."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 3)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, batch: Tensor) -> Tensor:
        found: Tensor = self.convolution(self.norm(batch))
        return found


def test_a_network_of_another_order_is_not_folded() -> None:
    assert folded_copy(with_statistics(Reversed())) is None
    assert folded_copy(nn.Conv2d(3, 3, 3)) is None


def test_frozen_stages_stay_and_later_ones_are_trained() -> None:
    backbone = with_statistics(create_backbone("efficientnet_lite0", features="block3"))
    assert isinstance(backbone, CutBackbone)
    with torch.no_grad():
        expected = backbone(images())
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    backbone.freeze_through("block1")
    with torch.no_grad():
        found = backbone(images())
    torch.testing.assert_close(found, expected, atol=1e-3 * float(expected.abs().max()), rtol=1e-3)
    optimiser = torch.optim.SGD([p for p in backbone.parameters() if p.requires_grad], 0.1)
    backbone.train()(images()).square().mean().backward()
    optimiser.step()
    changed = {name for name, value in backbone.state_dict().items() if not torch.equal(value, before[name])}
    early = ("body.conv_stem", "body.bn1", "body.blocks.0", "body.blocks.1")
    assert changed and not any(name.startswith(early) for name in changed)
    assert {name.split(".")[2] for name in changed} == {"2", "3"}
    assert backbone.state_dict().keys() == before.keys()


def test_a_copy_with_frozen_stages_is_independent() -> None:
    backbone = with_statistics(create_backbone("efficientnet_lite0", features="block2"))
    assert isinstance(backbone, CutBackbone)
    copied = copy.deepcopy(backbone.freeze_through("block1"))
    with torch.no_grad():
        for parameter in copied.body.blocks[2].parameters():
            parameter.zero_()
        assert not torch.equal(copied(images()), backbone(images()))


def test_an_unknown_frozen_stage_is_named() -> None:
    backbone = create_backbone("efficientnet_lite0", features="block2")
    assert isinstance(backbone, CutBackbone)
    with pytest.raises(LymphoscopeError, match="no stage 'block5'"):
        backbone.freeze_through("block5")
