"""From attention maps to cropped and erased images (Eq. 2-4, Figure 4).

No function here loops over the images of a batch or waits for the device. No gradient flows into a map.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from lymphoscope.errors import LymphoscopeError
from lymphoscope.method.voting import check_finite

FLAT = 1e-6

MapDraw = Literal["uniform", "sqrt_energy"]
GuidingMap = Literal["mean", "max_energy"]
Fill = Literal["mean"] | Sequence[float] | Tensor


def normalize_maps(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Upsample maps (B, h, w) bilinearly to `size` (H, W) pixels and stretch each to [0, 1] (Eq. 2); float32.

    A flat map (max - min below 1e-6, or below that fraction of a range above 1) becomes all zeros; any other has a 1.
    Raises as `check_finite` does.
    """
    check_finite(maps, "attention maps")
    maps = maps.detach().float()
    # From zero up, which Eq. 2 doesn't notice: else rounding makes a relief of a flat map of large values.
    relief = maps - maps.amin(dim=(1, 2), keepdim=True)
    large = F.interpolate(relief[:, None], size, mode="bilinear", align_corners=False)[:, 0]
    low, high = large.amin(dim=(1, 2), keepdim=True), large.amax(dim=(1, 2), keepdim=True)
    span = high - low
    # Relative above 1, where float32 rounds by more than the limit.
    return ((large - low) / span).where(span >= FLAT * high.clamp(min=1.0), 0.0)


def draw_maps(maps: Tensor, how: MapDraw = "uniform", generator: torch.Generator | None = None) -> Tensor:
    """Draw one of the M maps (B, M, h, w) for each image -> (B, h, w), in training (section 2.1).

    `uniform`, or `sqrt_energy`: in proportion to the square root of a map's mean (uniform where all are zero). Numbers
    come from the generator's device, or from that of the maps.
    """
    # The first to finish of M exponential clocks: unlike torch.multinomial it never waits for the device.
    device = maps.device if generator is None else generator.device
    clocks = torch.empty(maps.shape[:2], device=device).exponential_(generator=generator)
    rates = torch.ones_like(clocks, device=maps.device)
    if how == "sqrt_energy":
        rates = _energies(maps).clamp(min=torch.finfo(torch.float32).tiny).sqrt()
    return _take(maps, (rates / clocks.to(maps.device, non_blocking=True)).argmax(dim=1))


def test_map(maps: Tensor, how: GuidingMap = "mean") -> Tensor:
    """Guiding map (B, h, w) of maps (B, M, h, w) in testing: their mean, or the one of the highest mean. No chance."""
    if how == "mean":
        return maps.detach().float().mean(dim=1)
    return _take(maps, _energies(maps).argmax(dim=1))


def attention_crop(
    images: Tensor, maps: Tensor, threshold: float | Tensor = 0.5, padding: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Cut out what one map (B, h, w) an image attends to and enlarge it bilinearly to the image's size (Eq. 3).

    Images (B, 3, H, W) -> crops (B, 3, H, W) and boxes (B, 4) int64: top, left, bottom, right in pixels, half open.
    The box is the smallest around F* >= threshold (a float or (B,)), grown on each side by `padding` of the image's
    side, within the image; the whole image for a flat map. Raises LymphoscopeError for a map that is not finite
    (`check_finite`) and for a threshold outside [0, 1].
    """
    height, width = images.shape[-2:]
    mask = _attended(maps, (height, width), threshold)
    top, bottom = _extent(mask.any(dim=2), round(padding * height))
    left, right = _extent(mask.any(dim=1), round(padding * width))
    boxes = torch.stack((top, left, bottom, right), dim=1)
    return _resample(images, boxes), boxes


def attention_erase(images: Tensor, maps: Tensor, threshold: float | Tensor = 0.5, fill: Fill = "mean") -> Tensor:
    """Paint over what one map (B, h, w) an image attends to, F* >= threshold (a float or (B,)) (Eq. 4).

    Images (B, 3, H, W) are normalised: `mean` fills with 0; three numbers fill each channel with its own, as
    `fill_values` gives them for black. Nothing is erased for a flat map. Raises as `attention_crop` does.
    """
    mask = _attended(maps, (images.shape[-2], images.shape[-1]), threshold)[:, None]  # (B, 1, H, W)
    if isinstance(fill, str):
        return images.masked_fill(mask, 0.0)
    values = torch.as_tensor(fill, dtype=images.dtype).to(images.device, non_blocking=True)
    return torch.where(mask, values[:, None, None], images)


def fill_values(fill: Literal["mean", "black"], mean: Sequence[float], std: Sequence[float]) -> tuple[float, ...]:
    """Say what a fill is in the normalised tensor, channel by channel; mean and std are of RGB in 0-1."""
    return tuple(0.0 if fill == "mean" else -m / s for m, s in zip(mean, std, strict=True))


def _energies(maps: Tensor) -> Tensor:
    return maps.detach().float().mean(dim=(2, 3))  # (B, M)


def _take(maps: Tensor, index: Tensor) -> Tensor:
    return maps.detach().take_along_dim(index[:, None, None, None], dim=1)[:, 0]


def _attended(maps: Tensor, size: tuple[int, int], threshold: float | Tensor) -> Tensor:
    """Mask (B, H, W), empty for a flat map."""
    if isinstance(threshold, Tensor):
        threshold = threshold[:, None, None]
    elif not 0.0 <= threshold <= 1.0:
        raise LymphoscopeError(f"attention threshold {threshold}: not between 0 and 1")
    stretched = normalize_maps(maps, size)
    return (stretched >= threshold) & (stretched.amax(dim=(1, 2), keepdim=True) > 0)


def _extent(marks: Tensor, padding: int) -> tuple[Tensor, Tensor]:
    """First mark and one past the last of (B, N), grown by `padding`; all of N where there is no mark."""
    length = marks.shape[1]
    marks = marks.to(torch.uint8)
    first = marks.argmax(dim=1)  # of equal values argmax gives the first: 0 where there is no mark
    last = length - marks.flip(1).argmax(dim=1)
    return (first - padding).clamp(min=0), (last + padding).clamp(max=length)


def _resample(images: Tensor, boxes: Tensor) -> Tensor:
    """Enlarge boxes (B, 4) of images (B, 3, H, W) to H x W, as F.interpolate without aligned corners does."""
    height, width = images.shape[-2:]
    rows = _places(boxes[:, 0], boxes[:, 2], height)
    columns = _places(boxes[:, 1], boxes[:, 3], width)
    grid = torch.stack(
        (columns[:, None, :].expand(-1, height, -1), rows[:, :, None].expand(-1, -1, width)), dim=3
    )  # (B, H, W, 2)
    crops = F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False).to(images.dtype)
    whole = (boxes[:, 2] - boxes[:, 0] == height) & (boxes[:, 3] - boxes[:, 1] == width)
    # grid_sample rounds its coordinates: the whole image would come back changed in its last digits.
    return torch.where(whole[:, None, None, None], images, crops)


def _places(start: Tensor, stop: Tensor, length: int) -> Tensor:
    """Where in [-1, 1] of a side the pixels of the enlarged span [start, stop) (B,) come from, (B, length)."""
    extent = (stop - start)[:, None]
    steps = torch.arange(length, device=start.device) + 0.5
    # Held between the centres of the span's first and last pixel, so that nothing outside the box comes in.
    centres = torch.minimum((steps * (extent / length)).clamp(min=0.5), extent - 0.5)
    return (start[:, None] + centres) * (2 / length) - 1
