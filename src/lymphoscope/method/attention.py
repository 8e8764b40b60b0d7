"""Attention maps -> cropped and erased images (Eq. 2-4, Figure 4), in torch. NumPy twin: `method/numpy/attention.py`.

No function here loops over the images of a batch or synchronises with the device. No gradient flows into a map.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from lymphoscope.errors import LymphoscopeError
from lymphoscope.method.numpy.attention import FLAT_RANGE
from lymphoscope.method.voting import check_finite
from lymphoscope.vocabulary import Fill as FillName, GuidingMap

MapDraw = Literal["uniform", "sqrt_energy"]
Fill = Literal["mean"] | Sequence[float] | Tensor


def normalize_maps(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Upsample maps (B, h, w) bilinearly to `size` (H, W) pixels and stretch each to [0, 1] (Eq. 2); float32.

    A flat map (max - min below 1e-6, or below 1e-6 of the maximum where that is above 1) becomes all zeros; every
    other map has its maximum at 1. Raises LymphoscopeError for a map that is not finite (`check_finite`).
    """
    check_finite(maps, "attention maps")
    maps = maps.detach().float()
    # Subtracting the minimum first does not change Eq. 2, and keeps rounding from adding structure to a flat map of
    # large values.
    shifted = maps - maps.amin(dim=(1, 2), keepdim=True)
    upsampled = F.interpolate(shifted[:, None], size, mode="bilinear", align_corners=False)[:, 0]  # (B, H, W)
    low, high = upsampled.amin(dim=(1, 2), keepdim=True), upsampled.amax(dim=(1, 2), keepdim=True)
    span = high - low
    # The limit is relative above 1, where float32 rounds by more than 1e-6.
    return ((upsampled - low) / span).where(span >= FLAT_RANGE * high.clamp(min=1.0), 0.0)


def draw_maps(maps: Tensor, how: MapDraw = "uniform", generator: torch.Generator | None = None) -> Tensor:
    """Draw one of the M maps (B, M, h, w) of each image -> (B, h, w); used in training (section 2.1).

    `uniform` gives every map the same probability; `sqrt_energy` weights a map by the square root of its mean (uniform
    where all means are zero). Random numbers are drawn on the device of `generator`, or of the maps without one.
    """
    # The smallest of M exponential variables: unlike torch.multinomial this never synchronises with the device.
    device = maps.device if generator is None else generator.device
    clocks = torch.empty(maps.shape[:2], device=device).exponential_(generator=generator)
    rates = torch.ones_like(clocks, device=maps.device)
    if how == "sqrt_energy":
        rates = _energies(maps).clamp(min=torch.finfo(torch.float32).tiny).sqrt()
    return _take(maps, (rates / clocks.to(maps.device, non_blocking=True)).argmax(dim=1))


def test_map(maps: Tensor, how: GuidingMap = "mean") -> Tensor:
    """Return the guide map (B, h, w) of maps (B, M, h, w) used in testing; deterministic.

    `mean` averages the M maps; `max_energy` takes the map with the highest mean.
    """
    if how == "mean":
        return maps.detach().float().mean(dim=1)
    return _take(maps, _energies(maps).argmax(dim=1))


def attention_crop(
    images: Tensor, maps: Tensor, threshold: float | Tensor = 0.5, padding: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Crop each image to the region that its map (B, h, w) attends to, and enlarge the crop bilinearly (Eq. 3).

    Images (B, 3, H, W) -> crops (B, 3, H, W) and boxes (B, 4) int64: top, left, bottom, right in pixels, half open.
    The box is the smallest that contains F* >= threshold (a float or (B,)), extended on each side by `padding` times
    the image's side and clipped to the image; the whole image for a flat map.
    Raises LymphoscopeError for a map that is not finite (`check_finite`) and for a threshold outside [0, 1].
    """
    height, width = images.shape[-2:]
    mask = _attended_mask(maps, (height, width), threshold)
    top, bottom = _extent(mask.any(dim=2), round(padding * height))
    left, right = _extent(mask.any(dim=1), round(padding * width))
    boxes = torch.stack((top, left, bottom, right), dim=1)
    return _resample(images, boxes), boxes


def attention_erase(images: Tensor, maps: Tensor, threshold: float | Tensor = 0.5, fill: Fill = "mean") -> Tensor:
    """Erase from each image the region that its map (B, h, w) attends to, F* >= threshold (a float or (B,)) (Eq. 4).

    Images (B, 3, H, W) are normalised, so that `mean` fills with 0; three numbers fill one channel each (`fill_values`
    gives them for black). Nothing is erased for a flat map.
    Raises LymphoscopeError for a map that is not finite (`check_finite`) and for a threshold outside [0, 1].
    """
    mask = _attended_mask(maps, (images.shape[-2], images.shape[-1]), threshold)[:, None]  # (B, 1, H, W)
    if isinstance(fill, str):
        return images.masked_fill(mask, 0.0)
    values = torch.as_tensor(fill, dtype=images.dtype).to(images.device, non_blocking=True)
    return torch.where(mask, values[:, None, None], images)


def fill_values(fill: FillName, mean: Sequence[float], std: Sequence[float]) -> tuple[float, ...]:
    """Return the value of a fill in the normalised tensor, one per channel; `mean` and `std` are of RGB in 0-1."""
    return tuple(0.0 if fill == "mean" else -m / s for m, s in zip(mean, std, strict=True))


def _energies(maps: Tensor) -> Tensor:
    return maps.detach().float().mean(dim=(2, 3))  # (B, M)


def _take(maps: Tensor, index: Tensor) -> Tensor:
    return maps.detach().take_along_dim(index[:, None, None, None], dim=1)[:, 0]


def _attended_mask(maps: Tensor, size: tuple[int, int], threshold: float | Tensor) -> Tensor:
    """Mask (B, H, W) of F* >= threshold; empty for a flat map."""
    if isinstance(threshold, Tensor):
        threshold = threshold[:, None, None]
    elif not 0.0 <= threshold <= 1.0:
        raise LymphoscopeError(f"attention threshold {threshold}: not between 0 and 1")
    stretched = normalize_maps(maps, size)
    return (stretched >= threshold) & (stretched.amax(dim=(1, 2), keepdim=True) > 0)


def _extent(mask: Tensor, padding: int) -> tuple[Tensor, Tensor]:
    """First True and one past the last True of (B, N), extended by `padding`; (0, N) where there is none."""
    length = mask.shape[1]
    mask = mask.to(torch.uint8)
    start = mask.argmax(dim=1)  # argmax gives the first of equal values: 0 where there is no True
    stop = length - mask.flip(1).argmax(dim=1)
    return (start - padding).clamp(min=0), (stop + padding).clamp(max=length)


def _resample(images: Tensor, boxes: Tensor) -> Tensor:
    """Enlarge boxes (B, 4) of images (B, 3, H, W) to H x W, as F.interpolate with align_corners=False does."""
    height, width = images.shape[-2:]
    rows = _sample_coordinates(boxes[:, 0], boxes[:, 2], height)
    columns = _sample_coordinates(boxes[:, 1], boxes[:, 3], width)
    grid = torch.stack(
        (columns[:, None, :].expand(-1, height, -1), rows[:, :, None].expand(-1, -1, width)), dim=3
    )  # (B, H, W, 2)
    crops = F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False).to(images.dtype)
    whole = (boxes[:, 2] - boxes[:, 0] == height) & (boxes[:, 3] - boxes[:, 1] == width)
    # grid_sample rounds its coordinates, which would change the last digits of an image that is not cropped.
    return torch.where(whole[:, None, None, None], images, crops)


def _sample_coordinates(start: Tensor, stop: Tensor, length: int) -> Tensor:
    """Coordinates (B, length), in [-1, 1] of the side, of the pixels of the enlarged span [start, stop) (B,)."""
    extent = (stop - start)[:, None]
    steps = torch.arange(length, device=start.device) + 0.5
    # Clamped to the centres of the span's first and last pixel, so that no pixel outside the box contributes.
    centres = torch.minimum((steps * (extent / length)).clamp(min=0.5), extent - 0.5)
    return (start[:, None] + centres) * (2 / length) - 1
