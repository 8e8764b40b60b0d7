"""The two passes of a training step (section 2.3): the raw image, then what its attention crops and erases."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from lymphoscope.method import WTDFN, attention_crop, attention_erase, draw_maps
from lymphoscope.training.recipe import AttentionRecipe

Passes = Literal["one", "two"]


@dataclass(frozen=True)
class StreamPass:
    """One stream's pass: its name, logits (B, K), and embeddings (B, M*C) for the centre loss."""

    stream: Literal["raw", "crop", "erase"]
    logits: Tensor
    embeddings: Tensor


def ternary_passes(
    network: WTDFN, images: Tensor, recipe: AttentionRecipe, fill: Sequence[float], passes: Passes = "one"
) -> Iterator[list[StreamPass]]:
    """Yield Phase-I's pass over `images` (B, 3, H, W), then Phase-II's over crop and erase, together or one by one.

    Between the two a caller may take a step (`phases: alternating`); the maps that guide are those of Phase-I, and no
    gradient passes through them. `fill` holds the normalised colour of what is erased.
    """
    vectors, maps = network.embed(images)
    yield [StreamPass("raw", network.classify(vectors), vectors)]
    guided = guided_images(images, maps.detach(), recipe, fill)
    if passes == "one":
        crop, erase = network.embed(torch.cat(guided))[0].chunk(2)
    else:
        crop, erase = (network.embed(stream)[0] for stream in guided)
    yield [StreamPass("crop", network.classify(crop), crop), StreamPass("erase", network.classify(erase), erase)]


def passes_on(wanted: Literal["auto", "one", "two"], device: torch.device) -> Passes:
    """One pass or two for crop and erase: as wanted, else what is faster on the device (docs/training.md)."""
    if wanted != "auto":
        return wanted
    return "two" if device.type == "cpu" else "one"


def guided_images(
    images: Tensor, maps: Tensor, recipe: AttentionRecipe, fill: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Crop and erase images (B, 3, H, W) by a drawn map of each, or a map each where none is shared."""
    guide = draw_maps(maps, recipe.map)
    other = guide if recipe.share_map else draw_maps(maps, recipe.map)
    crop_threshold = _threshold(recipe.crop_threshold, images)
    erase_threshold = _threshold(recipe.erase_threshold, images)
    crops, _ = attention_crop(images, guide, crop_threshold, recipe.crop_padding)
    return crops, attention_erase(images, other, erase_threshold, fill)


def _threshold(wanted: float | tuple[float, float], images: Tensor) -> float | Tensor:
    if isinstance(wanted, float):
        return wanted
    low, high = wanted
    return low + (high - low) * torch.rand(len(images), device=images.device)
