import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from lymphoscope.data.stains.optical_density import match_density, measure_density


def stained(amount: float, light: float) -> np.ndarray:
    """Pixels (N, 3) with a varying amount of one stain under a lamp."""
    density = np.linspace(0.2, 1.2, 2000)[:, None] * np.array([0.57, 0.78, 0.27]) * amount
    return np.rint(light * np.exp(-density)).astype(np.uint8)


def test_density_is_minus_the_logarithm_of_the_transmitted_light() -> None:
    measured = measure_density(np.array([[255, 128, 26]] * 10, dtype=np.uint8))
    assert measured.level == pytest.approx((0.0, np.log(255.5 / 128.5), np.log(255.5 / 26.5)), abs=1e-9)
    assert measured.contrast == pytest.approx((0, 0, 0), abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.floats(0.7, 1.3), st.floats(190, 250))
def test_amount_of_stain_and_light_are_normalized_away(amount: float, light: float) -> None:
    reference, pixels = stained(1.0, 240), stained(amount, light)
    matched = match_density.normalize(pixels, measure_density(pixels), measure_density(reference))
    assert np.abs(matched.astype(int) - reference).max() <= 4


def test_contrast_is_at_most_doubled() -> None:
    flat = np.array([[100, 100, 100], [102, 102, 102]] * 50, dtype=np.uint8)
    matched = match_density.normalize(flat, measure_density(flat), measure_density(stained(1.0, 240)))
    # The deviation of nearly flat pixels is noise.
    assert np.ptp(matched, axis=0).max() <= 8
