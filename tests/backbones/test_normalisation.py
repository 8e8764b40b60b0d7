"""Group norm and frozen batch norm: what is put in, what moves in training, and what stays as it was."""

from typing import get_args

import pytest
import torch
from hypothesis import given, strategies as st
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.nn import functional as F

from lymphoscope.backbones import convert_norm, count_parameters
from lymphoscope.backbones.normalisation import Norm, num_groups
from lymphoscope.model_file import Architecture, build_network

BACKBONES = ("test_resnet", "resnet18", "regnetx_002", "mobilenetv2_100", "inception_v1", "inception_v4")
NORMS: tuple[Norm, ...] = get_args(Norm)


def network(backbone: str, norm: Norm) -> nn.Module:
    torch.manual_seed(0)
    return build_network(Architecture(backbone=backbone, norm=norm, num_maps=4), 2)


def step(model: nn.Module, images: Tensor) -> float:
    model.train()
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-5)
    logits, maps = model(images)
    loss = F.cross_entropy(logits, torch.arange(len(images)) % 2)
    loss.backward()
    optimiser.step()
    assert maps.isfinite().all()
    return float(loss.detach())


def statistics(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items() if "running_" in name}


@pytest.mark.slow
@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("norm", NORMS)
def test_a_step_is_taken_and_the_weights_come_back(backbone: str, norm: Norm) -> None:
    # 96 pixels, since InceptionV4 has no map of fewer than 75
    model, images = network(backbone, norm), torch.randn(2, 3, 96, 96)
    before = {name: value.clone() for name, value in model.named_parameters()}
    assert torch.tensor(step(model, images)).isfinite()
    assert any((value != before[name]).any() for name, value in model.named_parameters())
    other = network(backbone, norm)
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        logits = model.eval()(images)[0]
        assert logits.isfinite().all()
        assert torch.equal(logits, other.eval()(images)[0])


@pytest.mark.slow
@pytest.mark.parametrize("backbone", BACKBONES)
def test_no_batch_norm_is_left(backbone: str) -> None:
    def kinds(norm: Norm) -> dict[str, int]:
        with torch.device("meta"):
            layers = list(network(backbone, norm).modules())
        return {
            "batch": sum(isinstance(layer, nn.BatchNorm2d) for layer in layers),
            "group": sum(isinstance(layer, nn.GroupNorm) for layer in layers),
            "frozen": sum("Frozen" in type(layer).__name__ for layer in layers),
        }

    count = kinds("batch")["batch"]
    assert count > 2
    assert kinds("batch") == {"batch": count, "group": 0, "frozen": 0}
    assert kinds("group") == {"batch": 0, "group": count, "frozen": 0}
    assert kinds("frozen") == {"batch": 0, "group": 0, "frozen": count}


def test_statistics_move_with_batch_norm_and_not_when_frozen() -> None:
    images = 3 + 2 * torch.randn(4, 3, 64, 64)
    moving, frozen = network("regnetx_002", "batch"), network("regnetx_002", "frozen")
    before_moving, before_frozen = statistics(moving), statistics(frozen)
    affine = {name: value.clone() for name, value in frozen.state_dict().items() if name.endswith("attention.1.weight")}
    step(moving, images), step(frozen, images)
    assert before_frozen
    assert all((value != before_moving[name]).any() for name, value in statistics(moving).items())
    assert all(torch.equal(value, before_frozen[name]) for name, value in statistics(frozen).items())
    assert affine
    assert all(torch.equal(value, frozen.state_dict()[name]) for name, value in affine.items())


def test_frozen_is_the_network_that_it_was_in_use() -> None:
    model, images = network("mobilenetv2_100", "batch"), torch.randn(4, 3, 64, 64)
    step(model, images)
    with torch.no_grad():
        expected = model.eval()(images)[0]
        frozen = convert_norm(model, "frozen").train()
        torch.testing.assert_close(frozen(images)[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backbone", ["test_resnet", "regnetx_002"])
def test_group_norm_keeps_the_cells_of_a_batch_apart(backbone: str) -> None:
    model, images = network(backbone, "group").train(), torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        together = model(images)[0]
        alone = torch.cat([model(image[None])[0] for image in images])
        torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(together, model.eval()(images)[0], rtol=1e-3, atol=1e-4)
    assert step(model, images[:1]) > 0


def test_the_weights_of_batch_norm_and_its_activation_are_kept() -> None:
    torch.manual_seed(0)
    layer = BatchNormAct2d(8, eps=0.01, act_layer=nn.SiLU)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    made = convert_norm(nn.Sequential(layer, nn.BatchNorm2d(6, affine=False)), "group")
    features = torch.randn(2, 8, 5, 5)
    by_hand = F.silu(F.group_norm(features, 4, layer.weight, layer.bias, 0.01))
    torch.testing.assert_close(made[0](features), by_hand)
    assert made[1].weight is None


@pytest.mark.parametrize("backbone", ["resnet18", "mobilenetv2_100"])
def test_the_count_of_parameters_is_that_of_the_paper_for_batch_and_group(backbone: str) -> None:
    expected = {"resnet18": 11_225_730, "mobilenetv2_100": 2_346_818}[backbone]
    with torch.device("meta"):
        counts = {
            norm: count_parameters(build_network(Architecture(backbone=backbone, norm=norm), 2)) for norm in NORMS
        }
    assert counts["batch"] == counts["group"] == expected
    assert counts["frozen"] < expected


@given(st.integers(1, 2048))
def test_groups_divide_the_channels_and_hold_two_where_they_can(channels: int) -> None:
    groups = num_groups(channels)
    assert channels % groups == 0
    assert groups <= 32
    assert channels // groups >= min(2, channels)
    better = [count for count in range(groups + 1, 33) if channels % count == 0 and channels // count >= 2]
    assert better == []
