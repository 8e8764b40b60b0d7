"""Eq. 2-4 in NumPy against the method in torch."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lymphoscope.method import attention_crop, attention_erase, normalize_maps
from lymphoscope.method.numpy.attention import crop_boxes, normalized_maps, write_crops, write_erased

SIZE = 61


@pytest.fixture(scope="module")
def maps() -> NDArray[np.float32]:
    """Maps (B, h, w): hills, noise, one at the border, a flat one, a large flat one."""
    generator = np.random.default_rng(3)
    rows, columns = np.mgrid[:7, :9]
    hills = [np.exp(-((rows - r) ** 2 + (columns - c) ** 2) / 4) for r, c in ((3, 4), (0, 8), (6, 0))]
    noise = list(generator.random((20, 7, 9)))
    return np.stack([*hills, *noise, np.ones((7, 9)), np.full((7, 9), 1e6)]).astype(np.float32)


def cells_for(maps: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.random.default_rng(4).integers(0, 256, (len(maps), SIZE, SIZE, 3), dtype=np.uint8)


def crops_of(cells: NDArray[Any], boxes: NDArray[np.int64]) -> NDArray[Any]:
    write_crops(cells, boxes, out := np.empty_like(cells))
    return out


def erased_of(cells: NDArray[Any], maps: NDArray[np.float32], fill: tuple[float, ...]) -> NDArray[Any]:
    write_erased(cells, maps, 0.5, fill, out := np.empty_like(cells))
    return out


def as_torch(cells: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(cells).permute(0, 3, 1, 2).float()


def test_maps_are_stretched_as_the_method_does(maps: NDArray[np.float32]) -> None:
    wanted = normalize_maps(torch.from_numpy(maps), (SIZE, SIZE)).numpy()
    np.testing.assert_allclose(normalized_maps(maps, SIZE), wanted, atol=1e-6)


# 1.0 is left out: which of several equal pixels is the highest, rounding decides
@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("padding", [0.0, 0.1])
def test_boxes_are_those_of_the_method(maps: NDArray[np.float32], threshold: float, padding: float) -> None:
    _, wanted = attention_crop(as_torch(cells_for(maps)), torch.from_numpy(maps), threshold, padding)
    assert crop_boxes(maps, SIZE, threshold, padding).tolist() == wanted.tolist()


def test_a_few_pixels_beside_the_knots_tell_as_much_as_all(maps: NDArray[np.float32]) -> None:
    for attention, box in zip(normalized_maps(maps, SIZE)[:-2], crop_boxes(maps, SIZE, 0.5, 0.0)[:-2], strict=True):
        rows, columns = np.nonzero(attention >= 0.5)
        assert box.tolist() == [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]


def test_crops_are_those_of_the_method(maps: NDArray[np.float32]) -> None:
    cells = cells_for(maps)
    wanted, boxes = attention_crop(as_torch(cells), torch.from_numpy(maps))
    floats = crops_of(cells.astype(np.float32), boxes.numpy())
    np.testing.assert_allclose(floats, wanted.permute(0, 2, 3, 1).numpy(), atol=0.02)  # of 255
    rounded = crops_of(cells, boxes.numpy())
    assert rounded.dtype == np.uint8
    assert np.abs(rounded - floats).max() <= 0.5 + 1e-4


def test_erasing_paints_what_the_method_paints(maps: NDArray[np.float32]) -> None:
    cells, fill = cells_for(maps), (124.0, 116.0, 104.0)
    wanted = attention_erase(as_torch(cells), torch.from_numpy(maps), 0.5, fill).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(erased_of(cells.astype(np.float32), maps, fill), wanted)
    assert np.array_equal(erased_of(cells, maps, fill), wanted)
    assert not np.array_equal(cells, wanted)
