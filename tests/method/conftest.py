"""The devices of the machine, and a network small enough to run thousands of times."""

import pytest
import torch
from torch import Tensor, nn

from lymphoscope.method import WTDFN


class TinyBackbone(nn.Module):
    """Two convolutions: (B, 3, H, W) -> (B, 6, H/4, W/4)."""

    channels = 6

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 5, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(5, 6, 3, stride=2, padding=1)
        )

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.body(images)
        return features


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def device(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def backbone() -> TinyBackbone:
    torch.manual_seed(0)
    return TinyBackbone()


@pytest.fixture
def network(backbone: TinyBackbone) -> WTDFN:
    return WTDFN(backbone, num_classes=4, num_maps=5)
