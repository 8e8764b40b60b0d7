"""Counts against arithmetic."""

import pytest
import timm
import torch
from torch import nn

from lymphoscope.backbones import count_parameters, multiply_adds


def test_counts_of_a_network_written_out() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)
    )
    assert count_parameters(network) == (8 * 27 + 8) + 16 + (16 + 2)
    assert multiply_adds(network, 10) == 8 * 27 * 100 + 16


def test_resnet18_at_224_has_the_multiply_adds_everybody_states() -> None:
    assert multiply_adds(timm.create_model("resnet18"), 224) == pytest.approx(1.814e9, rel=1e-3)


def test_the_network_stays_as_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)).train()
    multiply_adds(network, 4)
    assert network.training
    assert all(parameter.device == torch.device("cpu") for parameter in network.parameters())
