"""The glass of a field, from histograms."""

import numpy as np
import pytest

from lymphoscope.smear.illumination import _percentile


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("percentage", [0, 50, 92, 100])
def test_the_percentile_of_a_histogram_is_that_of_its_values(seed: int, percentage: float) -> None:
    values = np.random.default_rng(seed).integers(0, 256, 1 + 57 * seed).astype(np.uint8)
    counts = np.bincount(values, minlength=256)
    assert _percentile(counts, percentage) == pytest.approx(np.percentile(values, percentage))
