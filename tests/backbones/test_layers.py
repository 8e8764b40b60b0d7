"""The parts of the Inceptions."""

import pytest
import torch
from torch import nn

from lymphoscope.backbones.inception import Branches, convolution, halving_pool


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_a_convolution_keeps_the_size_and_gives_no_negative(kernel: int) -> None:
    layer = convolution(2, 4, kernel)
    features = layer(torch.randn(2, 2, 9, 8))
    assert features.shape == (2, 4, 9, 8)
    assert (features >= 0).all()
    assert convolution(2, 4, kernel, stride=2)(torch.randn(2, 2, 9, 8)).shape == (2, 4, 5, 4)


@pytest.mark.parametrize("side", range(1, 12))
def test_a_pool_halves_upwards_and_is_symmetric(side: int) -> None:
    values = torch.randn(1, 1, 1, side)
    pooled = halving_pool()(values)
    assert pooled.shape[-1] == -(-side // 2)
    if side % 2:
        assert torch.equal(halving_pool()(values.flip(3)), pooled.flip(3))


def test_branches_are_laid_end_to_end() -> None:
    images = torch.randn(1, 2, 4, 4)
    both = Branches(nn.Identity(), nn.ReLU())(images)
    assert torch.equal(both, torch.cat([images, images.relu()], dim=1))
