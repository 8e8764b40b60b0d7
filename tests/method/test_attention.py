"""Crop and erase against a slow reference in NumPy, image by image."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings, strategies as st
from numpy.typing import NDArray
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from lymphoscope.errors import LymphoscopeError
from lymphoscope.method import (
    attention_crop,
    attention_erase,
    draw_maps,
    fill_values,
    normalize_maps,
    test_map as guiding_map,
)

Array = NDArray[np.float64]
AMBIGUOUS = 1e-4


def at(picture: Array, y: float, x: float) -> float:
    """Bilinear value of (h, w) at pixel coordinates, the border's value outside."""
    height, width = picture.shape
    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    top, left = math.floor(y), math.floor(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    upper = picture[top, left] * (left + 1 - x) + picture[top, right] * (x - left)
    lower = picture[bottom, left] * (left + 1 - x) + picture[bottom, right] * (x - left)
    return float(upper * (top + 1 - y) + lower * (y - top))


def resized(picture: Array, height: int, width: int) -> Array:
    h, w = picture.shape
    return np.array(
        [
            [at(picture, (y + 0.5) * h / height - 0.5, (x + 0.5) * w / width - 0.5) for x in range(width)]
            for y in range(height)
        ]
    )


def stretched(picture: Array, height: int, width: int) -> Array | None:
    """Eq. 2 of one map; None for a flat one."""
    large = resized(picture, height, width)
    if large.max() - large.min() < 1e-6 * max(1.0, large.max() - picture.min()):
        return None
    return (large - large.min()) / (large.max() - large.min())


def boxed(mask: NDArray[np.bool_] | None, padding: float, height: int, width: int) -> list[int]:
    if mask is None:
        return [0, 0, height, width]
    rows, columns = np.nonzero(mask)
    down, right = round(padding * height), round(padding * width)
    return [
        max(rows.min() - down, 0),
        max(columns.min() - right, 0),
        min(rows.max() + 1 + down, height),
        min(columns.max() + 1 + right, width),
    ]


def peak(height: int, width: int, y: int, x: int) -> Array:
    picture = np.zeros((height, width))
    picture[y % height, x % width] = 1.0
    return picture


@st.composite
def pictures(draw: st.DrawFn) -> Array:
    """One map (h, w): flat, noise, a one-pixel peak anywhere, a bar along the border."""
    height, width = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    kind = draw(st.sampled_from(["flat", "noise", "peak", "border"]))
    if kind == "flat":
        return np.full((height, width), draw(st.sampled_from([0.0, 1.0, 3e4])))
    if kind == "peak":
        return peak(height, width, draw(st.integers(0, 4)), draw(st.integers(0, 4))) * draw(
            st.sampled_from([0.01, 1.0, 500.0])
        )
    if kind == "border":
        return np.pad(np.zeros((height, width)), ((0, 0), (0, 1)), constant_values=1.0)
    return np.random.default_rng(draw(st.integers(0, 999))).random((height, width)) * 7


@st.composite
def batches(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (B, 3, H, W) and a map of each (B, h, w)."""
    first = draw(pictures())
    maps = [first, first[::-1].copy(), np.full_like(first, 2.0), draw(st.permutations(list(first)))]
    size = draw(st.integers(1, 17)), draw(st.integers(1, 17))
    generator = np.random.default_rng(draw(st.integers(0, 999)))
    images = generator.normal(size=(len(maps), 3, *size))
    return torch.tensor(images, dtype=torch.float32), torch.tensor(np.array(maps), dtype=torch.float32)


def reference(
    images: torch.Tensor, maps: torch.Tensor, thresholds: list[float]
) -> list[tuple[Array, NDArray[np.bool_] | None]]:
    """Image (3, H, W) and mask (H, W) of each; skips examples in which rounding decides."""
    found: list[tuple[Array, NDArray[np.bool_] | None]] = []
    for image, picture, threshold in zip(images.double().numpy(), maps.double().numpy(), thresholds, strict=True):
        values = stretched(picture, *image.shape[1:])
        assume(values is None or (np.abs(values - threshold) > AMBIGUOUS).all())
        found.append((image, None if values is None else values >= threshold))
    return found


thresholds = st.sampled_from([0.0003, 0.1, 0.33, 0.5, 0.77, 0.999])


@given(batches())
def test_normalised_maps_equal_the_reference(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    images, maps = batch
    size = (images.shape[2], images.shape[3])
    result = normalize_maps(maps, size)
    assert result.shape == (len(maps), *size)
    for values, picture in zip(result.numpy(), maps.double().numpy(), strict=True):
        expected = stretched(picture, *size)
        np.testing.assert_allclose(values, np.zeros(size) if expected is None else expected, atol=2e-5)


@settings(deadline=None)
@given(batches(), thresholds, st.sampled_from([0.0, 0.05, 0.1, 1.0]))
def test_crop_equals_the_reference(batch: tuple[torch.Tensor, torch.Tensor], threshold: float, padding: float) -> None:
    images, maps = batch
    crops, boxes = attention_crop(images, maps, threshold, padding)
    height, width = images.shape[2:]
    assert boxes.dtype == torch.int64
    for index, (image, mask) in enumerate(reference(images, maps, [threshold] * len(images))):
        top, left, bottom, right = boxed(mask, padding, height, width)
        assert boxes[index].tolist() == [top, left, bottom, right]
        expected = [resized(channel[top:bottom, left:right], height, width) for channel in image]
        np.testing.assert_allclose(crops[index].numpy(), expected, atol=1e-4)


@given(batches(), thresholds)
def test_erase_equals_the_reference(batch: tuple[torch.Tensor, torch.Tensor], threshold: float) -> None:
    images, maps = batch
    colour = (-2.0, 0.25, 7.0)
    grey, coloured = attention_erase(images, maps, threshold), attention_erase(images, maps, threshold, colour)
    for index, (image, mask) in enumerate(reference(images, maps, [threshold] * len(images))):
        hole = np.zeros(image.shape[1:], dtype=bool) if mask is None else mask
        np.testing.assert_allclose(grey[index].numpy(), np.where(hole, 0.0, image), atol=1e-6)
        painted = np.where(hole, np.array(colour)[:, None, None], image)
        np.testing.assert_allclose(coloured[index].numpy(), painted, atol=1e-6)


def test_crop_equals_interpolation_of_each_slice(device: str) -> None:
    torch.manual_seed(1)
    images = torch.randn(16, 3, 61, 47, device=device)
    maps = torch.rand(16, 7, 5, device=device)
    crops, boxes = attention_crop(images, maps, 0.8)
    assert len({tuple(box) for box in boxes.tolist()}) > 8
    for image, crop, (top, left, bottom, right) in zip(images, crops, boxes.tolist(), strict=True):
        part = image[None, :, top:bottom, left:right]
        expected = F.interpolate(part, (61, 47), mode="bilinear", align_corners=False)[0]
        torch.testing.assert_close(crop, expected, atol=1e-4, rtol=0)


def test_pixels_outside_the_box_do_not_contribute() -> None:
    images = torch.full((1, 3, 40, 40), 1e6)
    images[:, :, 10:20, 15:25] = 1.0
    maps = torch.zeros(1, 40, 40)
    maps[:, 10:20, 15:25] = 1.0
    crops, boxes = attention_crop(images, maps)
    assert boxes.tolist() == [[10, 15, 20, 25]]
    # rounding of coordinates lets in a hundred-thousandth of the difference to the next pixel
    torch.testing.assert_close(crops, torch.ones_like(crops), atol=1e6 * 2e-5, rtol=0)


def test_a_flat_map_leaves_the_image_bit_equal(device: str) -> None:
    images = torch.randn(3, 3, 33, 50, device=device)
    maps = torch.tensor([0.0, 5.0, 1e5], device=device)[:, None, None].expand(3, 4, 4)
    crops, boxes = attention_crop(images, maps, padding=0.1)
    assert torch.equal(crops, images)
    assert boxes.tolist() == [[0, 0, 33, 50]] * 3
    for threshold in (0.0, 0.5):
        assert torch.equal(attention_erase(images, maps, threshold), images)


def test_a_map_is_flat_below_a_range_of_a_millionth() -> None:
    maps = torch.zeros(2, 4, 4)
    maps[0, 1, 1], maps[1, 1, 1] = 0.9e-6, 1.1e-6
    assert normalize_maps(maps, (4, 4)).amax(dim=(1, 2)).tolist() == [0.0, 1.0]


def test_each_image_can_have_its_own_threshold(device: str) -> None:
    images, maps = torch.randn(4, 3, 20, 20, device=device), torch.rand(4, 5, 5, device=device)
    wanted = [0.2, 0.4, 0.6, 0.8]
    together = torch.tensor(wanted, device=device)
    crops, boxes = attention_crop(images, maps, together)
    erased = attention_erase(images, maps, together)
    for index, threshold in enumerate(wanted):
        each = slice(index, index + 1)
        crop, box = attention_crop(images[each], maps[each], threshold)
        torch.testing.assert_close(crops[each], crop)
        assert torch.equal(boxes[each], box)
        assert torch.equal(erased[each], attention_erase(images[each], maps[each], threshold))


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_outside_0_to_1_is_refused(threshold: float) -> None:
    with pytest.raises(LymphoscopeError, match=r"attention threshold .*: not between 0 and 1"):
        attention_crop(torch.zeros(1, 3, 4, 4), torch.zeros(1, 2, 2), threshold)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_maps_that_are_not_finite_are_refused(bad: float) -> None:
    images, maps = torch.zeros(2, 3, 8, 8), torch.rand(2, 2, 2)
    maps[1, 0, 1] = bad
    for use in (attention_crop, attention_erase):
        with pytest.raises(LymphoscopeError, match="attention maps: NaN or infinity"):
            use(images, maps)


def test_fill_values_are_the_normalised_colour() -> None:
    mean, std = (0.5, 0.2, 0.1), (0.25, 0.1, 0.2)
    assert fill_values("mean", mean, std) == (0.0, 0.0, 0.0)
    assert fill_values("black", mean, std) == (-2.0, -2.0, -0.5)
    black = torch.tensor(fill_values("black", mean, std))[:, None, None]
    original = black * torch.tensor(std)[:, None, None] + torch.tensor(mean)[:, None, None]
    torch.testing.assert_close(original, torch.zeros(3, 1, 1))


def test_gradients_flow_through_pixels_and_not_through_the_map() -> None:
    images = torch.randn(4, 3, 20, 18, requires_grad=True)
    maps = torch.rand(4, 5, 5, requires_grad=True)
    crops, boxes = attention_crop(images, maps, 0.8)
    weights = torch.randn_like(crops)
    (crops * weights).sum().backward()
    assert maps.grad is None and images.grad is not None
    copies = images.detach().clone().requires_grad_()
    slices = [
        F.interpolate(copies[i : i + 1, :, t:b, left:r], (20, 18), mode="bilinear", align_corners=False)
        for i, (t, left, b, r) in enumerate(boxes.tolist())
    ]
    (torch.cat(slices) * weights).sum().backward()
    assert copies.grad is not None
    torch.testing.assert_close(images.grad, copies.grad, atol=2e-3, rtol=1e-3)

    fresh = images.detach().clone().requires_grad_()
    erased = attention_erase(fresh, maps)
    erased.sum().backward()
    assert maps.grad is None and fresh.grad is not None
    assert torch.equal(fresh.grad, (erased == fresh).float())
    assert not attention_crop(images.detach(), maps)[0].requires_grad
    assert not normalize_maps(maps, (9, 9)).requires_grad


class Counting(TorchDispatchMode):
    """Counts the operations that torch carries out."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        self.count += 1
        return func(*args, **(kwargs or {}))


def operations(batch: int) -> int:
    images, maps = torch.randn(batch, 3, 16, 16), torch.rand(batch, 4, 5, 5)
    with Counting() as counting:
        guide = draw_maps(maps, "sqrt_energy")
        attention_crop(images, guide, padding=0.1)
        attention_erase(images, guide)
        guiding_map(maps, "max_energy")
    return counting.count


def test_the_number_of_operations_does_not_depend_on_the_batch() -> None:
    assert 0 < operations(1) == operations(50)


@pytest.mark.cuda
def test_nothing_synchronises_with_the_device() -> None:
    images, maps = torch.randn(4, 3, 32, 32, device="cuda"), torch.rand(4, 6, 5, 5, device="cuda")
    thresholds = torch.rand(4, device="cuda")
    before = torch.cuda.get_sync_debug_mode()
    try:
        torch.cuda.set_sync_debug_mode("error")
        for how in ("uniform", "sqrt_energy"):
            guide = draw_maps(maps, how)
            attention_crop(images, guide, thresholds, padding=0.1)
            attention_erase(images, guide, 0.5, fill=(-2.0, -2.0, -2.0))
    finally:
        torch.cuda.set_sync_debug_mode(before)


def test_crop_and_erase_preserve_the_dtype_under_autocast(device: str) -> None:
    images, maps = torch.randn(3, 3, 16, 16, device=device), torch.rand(3, 5, 5, device=device)
    exact, boxes = attention_crop(images, maps)
    with torch.autocast(device, dtype=torch.bfloat16):
        crops, same = attention_crop(images, maps)
        erased = attention_erase(images, maps)
    assert torch.equal(crops, exact) and torch.equal(boxes, same)
    assert torch.equal(erased, attention_erase(images, maps))
    half = attention_crop(images.bfloat16(), maps)[0]
    assert half.dtype == attention_erase(images.bfloat16(), maps).dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), exact, atol=0.05, rtol=0.02)


def test_drawn_maps_belong_to_their_image_and_repeat_with_the_seed(device: str) -> None:
    maps = torch.rand(64, 8, 3, 3, device=device)
    for how in ("uniform", "sqrt_energy"):
        first, second = (draw_maps(maps, how, torch.Generator().manual_seed(5)) for _ in range(2))
        assert torch.equal(first, second)
        chosen = (maps == first[:, None]).all(dim=(2, 3))
        assert (chosen.sum(dim=1) == 1).all()
        assert len(chosen.int().argmax(dim=1).unique()) > 4
        assert not draw_maps(maps.requires_grad_(), how).requires_grad
        maps = maps.detach()


def test_maps_are_drawn_with_the_documented_frequencies() -> None:
    levels = torch.tensor([0.0, 1.0, 4.0, 9.0])
    maps = levels[None, :, None, None].expand(30_000, 4, 2, 2)
    generator = torch.Generator().manual_seed(0)
    for how, expected in (("uniform", [1 / 4] * 4), ("sqrt_energy", [0, 1 / 6, 2 / 6, 3 / 6])):
        drawn = draw_maps(maps, how, generator)[:, 0, 0]
        shares = [(drawn == level).float().mean().item() for level in levels]
        np.testing.assert_allclose(shares, expected, atol=0.012)


def test_dead_maps_are_drawn_uniformly() -> None:
    maps = torch.zeros(8_000, 4, 1, 1)
    maps[:, :, 0, 0] = torch.tensor([0.0, -0.0, 0.0, 0.0])
    signs = draw_maps(maps, "sqrt_energy", torch.Generator().manual_seed(0)).signbit().float().mean().item()
    assert abs(signs - 0.25) < 0.03


def test_guide_map_is_the_mean_or_the_map_of_highest_mean() -> None:
    maps = torch.rand(5, 7, 4, 3)
    torch.testing.assert_close(guiding_map(maps), torch.stack([each.mean(dim=0) for each in maps]))
    strongest = [int(np.argmax([part.mean() for part in each.numpy()])) for each in maps]
    expected = torch.stack([each[k] for each, k in zip(maps, strongest, strict=True)])
    assert torch.equal(guiding_map(maps, "max_energy"), expected)
