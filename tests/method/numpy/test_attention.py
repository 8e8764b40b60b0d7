"""What only the NumPy twin does: boxes from a few pixels. `tests/method/test_twins.py` compares it with torch."""

import numpy as np
import pytest
from numpy.typing import NDArray

from lymphoscope.method.numpy import crop_boxes, normalized_maps

SIZE = 61


@pytest.fixture
def maps() -> NDArray[np.float32]:
    """Maps (B, h, w): hills, one at the border, and noise."""
    rows, columns = np.mgrid[:7, :9]
    hills = [np.exp(-((rows - r) ** 2 + (columns - c) ** 2) / 4) for r, c in ((3, 4), (0, 8), (6, 0))]
    return np.stack([*hills, *np.random.default_rng(3).random((20, 7, 9))]).astype(np.float32)


def test_boxes_from_pixels_near_the_knots_equal_boxes_from_all_pixels(maps: NDArray[np.float32]) -> None:
    for attention, box in zip(normalized_maps(maps, SIZE), crop_boxes(maps, SIZE, 0.5, 0.0), strict=True):
        rows, columns = np.nonzero(attention >= 0.5)
        assert box.tolist() == [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
