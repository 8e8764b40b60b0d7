from fractions import Fraction
from math import ceil, floor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torchvision.transforms.v2 import functional as F

from lymphoscope.data.geometry import Geometry, fit_image, to_file_pixels
from lymphoscope.data.images import read_image
from lymphoscope.errors import LymphoscopeError

REAL = Path(__file__).parents[3] / "shared" / "data"


def noise(height: int, width: int) -> np.ndarray:
    # Never black, so that padding shows.
    return np.random.default_rng(height * 1000 + width).integers(1, 256, (height, width, 3), dtype=np.uint8)


def by_torchvision(pixels: np.ndarray, operation: object, *arguments: object, **options: object) -> np.ndarray:
    return operation(torch.from_numpy(pixels).permute(2, 0, 1), *arguments, **options).permute(1, 2, 0).numpy()  # type: ignore[operator]


@pytest.mark.parametrize(("height", "width"), [(450, 450), (300, 300), (200, 450), (100, 100), (302, 298), (16, 500)])
def test_center_crop_matches_torchvision(height: int, width: int) -> None:
    pixels = noise(height, width)
    expected = by_torchvision(pixels, F.center_crop, [300, 300])
    np.testing.assert_array_equal(fit_image(pixels, Geometry()), expected)


@pytest.mark.parametrize(("height", "width", "size"), [(363, 360, 300), (480, 640, 128), (50, 40, 96)])
def test_resize_matches_torchvision(height: int, width: int, size: int) -> None:
    pixels = noise(height, width)
    expected = by_torchvision(pixels, F.resize, [size, size], antialias=True)
    np.testing.assert_allclose(fit_image(pixels, Geometry("resize", size=size)).astype(int), expected, atol=1)


def test_crop_of_another_size_is_resampled() -> None:
    pixels = noise(450, 450)
    cropped = fit_image(pixels, Geometry("center_crop", crop=300, size=300))
    np.testing.assert_array_equal(
        fit_image(pixels, Geometry("center_crop", crop=300, size=128)), fit_image(cropped, Geometry("resize", size=128))
    )


def test_fitted_image_is_a_copy() -> None:
    pixels = noise(300, 300)
    before = pixels.copy()
    for mode in ("center_crop", "resize"):
        square = fit_image(pixels, Geometry(mode))  # type: ignore[arg-type]
        assert square.flags["C_CONTIGUOUS"]
        square[:] = 0
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize(
    ("wrong", "message"), [({"crop_mode": "stretch"}, "stretch"), ({"size": 0}, "size 0"), ({"crop": -3}, "crop -3")]
)
def test_invalid_geometry_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(LymphoscopeError, match=message):
        Geometry(**wrong)  # type: ignore[arg-type]


sides = st.integers(16, 500)
fits = st.builds(
    Geometry, crop_mode=st.sampled_from(["center_crop", "resize"]), crop=st.integers(8, 400), size=st.integers(8, 400)
)


@st.composite
def boxes(draw: st.DrawFn, size: int) -> list[int]:
    top, bottom = sorted(draw(st.lists(st.integers(0, size), min_size=2, max_size=2, unique=True)))
    left, right = sorted(draw(st.lists(st.integers(0, size), min_size=2, max_size=2, unique=True)))
    return [top, left, bottom, right]


def exactly(box: list[int], width: int, height: int, fit: Geometry) -> list[int]:
    """The mapping in fractions, one edge at a time."""
    mapped = []
    for place, edge in enumerate(box):
        side = (height, width)[place % 2]
        if fit.crop_mode == "resize":
            exact = Fraction(edge * side, fit.size)
        else:
            exact = Fraction(edge * fit.crop, fit.size) + (side - fit.crop) // 2
        mapped.append(min(max(floor(exact) if place < 2 else ceil(exact), 0), side))
    return mapped


@given(data=st.data(), width=sides, height=sides, fit=fits)
def test_boxes_map_back_exactly(data: st.DataObject, width: int, height: int, fit: Geometry) -> None:
    box = data.draw(boxes(fit.size))
    mapped = to_file_pixels([box], width, height, fit)
    assert mapped.dtype == np.int64
    assert mapped.tolist() == [exactly(box, width, height, fit)]


@settings(deadline=None)
@given(data=st.data(), width=sides, height=sides, crop=st.integers(8, 400))
def test_box_of_an_unresampled_crop_contains_the_same_pixels_in_the_file(
    data: st.DataObject, width: int, height: int, crop: int
) -> None:
    fit = Geometry("center_crop", crop=crop, size=crop)
    pixels = noise(height, width)
    top, left, bottom, right = data.draw(boxes(crop))
    inside = fit_image(pixels, fit)[top:bottom, left:right]
    inside = inside[inside.any(axis=(1, 2))][:, inside.any(axis=(0, 2))]  # without the padding
    above, before, below, after = to_file_pixels([[top, left, bottom, right]], width, height, fit)[0]
    found = pixels[above:below, before:after]
    assert found.size == inside.size
    np.testing.assert_array_equal(found.ravel(), inside.ravel())


@settings(deadline=None)
@given(data=st.data(), side=st.integers(32, 300), fit=fits)
def test_box_of_a_spot_meets_the_spot_in_the_file(data: st.DataObject, side: int, fit: Geometry) -> None:
    """Paint a spot, fit, box what is bright, map back: the box meets the spot, or the crop left it out."""
    top, left = (data.draw(st.integers(0, side - 8)) for _ in range(2))
    pixels = np.zeros((side, side, 3), dtype=np.uint8)
    pixels[top : top + 8, left : left + 8] = 255
    bright = fit_image(pixels, fit)[..., 0] > 0
    if bright.any():
        rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
        box = [[rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]]
        above, before, below, after = to_file_pixels(box, side, side, fit)[0]
        assert max(above, top) < min(below, top + 8)
        assert max(before, left) < min(after, left + 8)


def test_whole_square_maps_to_the_whole_crop_and_padding_to_nothing() -> None:
    assert to_file_pixels([[0, 0, 300, 300]], 450, 450, Geometry()).tolist() == [[75, 75, 375, 375]]
    assert to_file_pixels([[0, 0, 300, 300]], 100, 200, Geometry()).tolist() == [[0, 0, 200, 100]]
    assert to_file_pixels([[0, 0, 10, 10]], 100, 100, Geometry()).tolist() == [[0, 0, 0, 0]]
    assert to_file_pixels(np.empty((0, 4)), 450, 450, Geometry()).shape == (0, 4)


@pytest.mark.skipif(not REAL.exists(), reason="needs ../shared/data")
def test_real_cells_lose_little_in_the_centre_crop() -> None:
    paths = sorted((REAL / "cnmc").rglob("*.png"))[:40]
    kept = []
    for path in paths:
        pixels = read_image(path)
        assert pixels.shape == (450, 450, 3)
        kept.append((fit_image(pixels, Geometry()) > 10).sum() / (pixels > 10).sum())
    assert np.mean(kept) > 0.97
