"""The torch and the NumPy implementation of crop, erase and vote give the same results on the same inputs."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from numpy.typing import NDArray

from lymphoscope import method
from lymphoscope.errors import LymphoscopeError
from lymphoscope.method import numpy as twin

SIZE = 61
FILL = (124.0, 116.0, 104.0)


@pytest.fixture(scope="module")
def maps() -> NDArray[np.float32]:
    """Maps (B, h, w): hills, noise, one at the border, a flat one, a large flat one."""
    generator = np.random.default_rng(3)
    rows, columns = np.mgrid[:7, :9]
    hills = [np.exp(-((rows - r) ** 2 + (columns - c) ** 2) / 4) for r, c in ((3, 4), (0, 8), (6, 0))]
    noise = list(generator.random((20, 7, 9)))
    return np.stack([*hills, *noise, np.ones((7, 9)), np.full((7, 9), 1e6)]).astype(np.float32)


@pytest.fixture(scope="module")
def cells(maps: NDArray[np.float32]) -> NDArray[np.uint8]:
    """One cell (S, S, 3) per map."""
    return np.random.default_rng(4).integers(0, 256, (len(maps), SIZE, SIZE, 3), dtype=np.uint8)


def crops_of(cells: NDArray[Any], boxes: NDArray[np.int64]) -> NDArray[Any]:
    twin.write_crops(cells, boxes, out := np.empty_like(cells))
    return out


def erased_of(cells: NDArray[Any], maps: NDArray[np.float32], threshold: float) -> NDArray[Any]:
    twin.write_erased(cells, maps, threshold, FILL, out := np.empty_like(cells))
    return out


def as_torch(cells: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(cells).permute(0, 3, 1, 2).float()


def test_twins_stretch_maps_alike(maps: NDArray[np.float32]) -> None:
    expected = method.normalize_maps(torch.from_numpy(maps), (SIZE, SIZE)).numpy()
    np.testing.assert_allclose(twin.normalized_maps(maps, SIZE), expected, atol=1e-6)


# 1.0 is left out: rounding decides which of several equal pixels is the highest.
@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("padding", [0.0, 0.1])
def test_twins_give_the_same_boxes(
    maps: NDArray[np.float32], cells: NDArray[np.uint8], threshold: float, padding: float
) -> None:
    _, expected = method.attention_crop(as_torch(cells), torch.from_numpy(maps), threshold, padding)
    assert twin.crop_boxes(maps, SIZE, threshold, padding).tolist() == expected.tolist()


def test_twins_give_the_same_crops(maps: NDArray[np.float32], cells: NDArray[np.uint8]) -> None:
    expected, boxes = method.attention_crop(as_torch(cells), torch.from_numpy(maps))
    floats = crops_of(cells.astype(np.float32), boxes.numpy())
    np.testing.assert_allclose(floats, expected.permute(0, 2, 3, 1).numpy(), atol=0.02)  # of 255
    rounded = crops_of(cells, boxes.numpy())
    assert rounded.dtype == np.uint8
    assert np.abs(rounded - floats).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
def test_twins_erase_the_same_pixels(maps: NDArray[np.float32], cells: NDArray[np.uint8], threshold: float) -> None:
    erased = method.attention_erase(as_torch(cells), torch.from_numpy(maps), threshold, FILL)
    expected = erased.permute(0, 2, 3, 1).numpy()
    assert np.array_equal(erased_of(cells.astype(np.float32), maps, threshold), expected)
    assert np.array_equal(erased_of(cells, maps, threshold), expected)
    assert not np.array_equal(cells, expected)


@given(st.integers(2, 4), st.integers(0, 2**32 - 1), st.booleans())
def test_twins_vote_alike(classes: int, seed: int, skipping: bool) -> None:
    generator = np.random.default_rng(seed)
    # Few distinct values, so that every kind of tie occurs.
    probabilities = generator.integers(0, 3, (3, 16, classes)).astype(np.float32)
    if skipping:
        probabilities[2, generator.random(16) < 0.5] = np.nan
    tensor = torch.from_numpy(probabilities)
    assert twin.stream_votes(probabilities).tolist() == method.stream_votes(tensor).tolist()
    assert twin.plurality_vote(probabilities).tolist() == method.plurality_vote(tensor).tolist()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_twins_refuse_numbers_that_are_not_finite(bad: float) -> None:
    values = np.zeros((2, 3), dtype=np.float32)
    twin.check_finite(values, "logits")
    method.check_finite(torch.from_numpy(values), "logits")
    values[1, 2] = bad
    for check, argument in ((twin.check_finite, values), (method.check_finite, torch.from_numpy(values))):
        with pytest.raises(LymphoscopeError, match=r"^logits: NaN or infinity; .*$") as raised:
            check(argument, "logits")
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("views", [1, 2, 4, 8])
def test_twins_turn_images_alike(cells: NDArray[np.uint8], views: int) -> None:
    expected = [view.permute(0, 2, 3, 1).numpy() for view in method.oriented_views(as_torch(cells[:3]), views)]
    found = list(twin.oriented_views(cells[:3], views))
    assert len(found) == views
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
    assert len({view.tobytes() for view in found}) == views


def test_twins_refuse_other_numbers_of_views(cells: NDArray[np.uint8]) -> None:
    with pytest.raises(LymphoscopeError, match="3 views: use 1, 2, 4, 8"):
        list(twin.oriented_views(cells, 3))
    with pytest.raises(LymphoscopeError, match="3 views: use 1, 2, 4, 8"):
        list(method.oriented_views(as_torch(cells), 3))
