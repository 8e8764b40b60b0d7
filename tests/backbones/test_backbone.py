"""Counts against arithmetic, and frozen backbones."""

import pytest
import timm
import torch
from torch import nn

from lymphoscope.backbones import count_parameters, create_backbone, multiply_adds


def test_counts_of_a_network_written_out() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)
    )
    assert count_parameters(network) == (8 * 27 + 8) + 16 + (16 + 2)
    assert multiply_adds(network, 10) == 8 * 27 * 100 + 16


def test_resnet18_at_224_has_the_published_multiply_adds() -> None:
    assert multiply_adds(timm.create_model("resnet18"), 224) == pytest.approx(1.814e9, rel=1e-3)


def test_counting_leaves_the_network_unchanged() -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)).train()
    multiply_adds(network, 4)
    assert network.training
    assert all(parameter.device == torch.device("cpu") for parameter in network.parameters())


def test_frozen_backbone_gets_no_gradient_and_keeps_its_statistics() -> None:
    backbone = create_backbone("test_resnet").freeze()
    head = nn.Conv2d(backbone.channels, 2, 1)
    network = nn.Sequential(backbone, head).train()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    features = backbone(torch.randn(2, 3, 64, 64))
    assert not features.requires_grad
    head(features).mean().backward()
    assert head.weight.grad is not None
    assert all(parameter.grad is None for parameter in backbone.parameters())
    assert network.training and not backbone.training
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())
