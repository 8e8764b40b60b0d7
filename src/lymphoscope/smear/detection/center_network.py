"""The network of a trained detector: centre points and sizes on EfficientNet-Lite0 features (needs [train]).

A heat map has a peak at the centre of each cell, and two more maps hold its width and height there (Zhou et al., 2019,
Objects as points, arXiv 1904.07850). Touching cells have separate centres even where no line separates them.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lymphoscope.backbones.pretrained import create_pretrained

STRIDE = 4
"""Pixels of the image per pixel of the maps."""
SIZE_UNIT = 40.0
"""Pixels: the maps hold the logarithm of width and height over this."""
_BACKBONE = "tf_efficientnet_lite0"
_STAGES = (1, 2, 3)
_WIDTH = 48


class CenterNetwork(nn.Module):
    """Fields (B, 3, H, W) of light, 0 to 1, sides multiples of 16 -> heat (B, 1, H/4, W/4), log sizes (B, 2, H/4, W/4).

    The features are ImageNet's and stay as they are.
    """

    def __init__(self, pretrained: bool = True) -> None:
        super().__init__()
        create: Callable[..., Any] = create_pretrained if pretrained else timm.create_model
        features = create(_BACKBONE, features_only=True, out_indices=_STAGES)
        channels = features.feature_info.channels()
        self.features = features
        self.lateral = nn.ModuleList(nn.Conv2d(number, _WIDTH, 1) for number in channels)
        self.joined = nn.ModuleList(_block() for _ in channels[:-1])
        self.last = _block()
        self.heat = nn.Conv2d(_WIDTH, 1, 1)
        self.size = nn.Conv2d(_WIDTH, 2, 1)
        self.heat.bias = nn.Parameter(torch.full((1,), -4.0))  # hardly any pixel is a centre

    def train(self, mode: bool = True) -> "CenterNetwork":
        """Train the head only: the features keep their statistics."""
        super().train(mode)
        self.features.eval()
        return self

    def forward(self, light: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits of the heat map, and log sizes."""
        with torch.no_grad():
            stages = self.features(2 * light - 1)
        values = self.lateral[-1](stages[-1])
        for place in range(len(stages) - 2, -1, -1):
            values = F.interpolate(values, scale_factor=2.0, mode="nearest") + self.lateral[place](stages[place])
            values = self.joined[place](values)
        values = self.last(values)
        return self.heat(values), self.size(values)


def _block() -> nn.Module:
    return nn.Sequential(nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1, bias=False), nn.GroupNorm(8, _WIDTH), nn.ReLU())


class _Exported(nn.Module):
    def __init__(self, network: CenterNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, light: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        heat, size = self.network(light)
        heat = heat.sigmoid()
        return heat, size.exp() * SIZE_UNIT, F.max_pool2d(heat, 3, 1, 1)


def export_network(network: CenterNetwork, path: Path) -> None:
    """Write the network for ONNX Runtime: light in; heat, sizes in pixels and the local maxima of the heat out."""
    network.eval()
    axes = {name: {0: "fields", 2: f"{name}_rows", 3: f"{name}_columns"} for name in ("light", "heat", "size", "peak")}
    with warnings.catch_warnings():
        # The older exporter warns that it will go, and of sides that timm compares in Python; a test compares the maps.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Exported(network),
            (torch.zeros(1, 3, 64, 96),),
            str(path),
            input_names=["light"],
            output_names=["heat", "size", "peak"],
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
