import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from lymphoscope.data.stain import measure_reference
from lymphoscope.data.stains.nucleus import match_nucleus, measure_nucleus

SIDE = 100


def photograph(glass: tuple[int, int, int], stain: tuple[float, float, float], radius: int = 26) -> np.ndarray:
    """A cell with a nucleus of a radius in pixels on glass: (SIDE, SIDE, 3) of a camera, light and stain."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    distance = np.hypot(y, x)
    amount = np.where(distance < radius, 1.0, np.where(distance < 30, 0.3, 0.0))[:, :, None]
    return np.rint(np.array(glass) * np.exp(-amount * np.array(stain))).astype(np.uint8)


def test_glass_and_nucleus_are_measured_in_optical_density() -> None:
    measured = measure_nucleus(photograph((240, 230, 220), (0.6, 1.1, 0.4)).reshape(-1, 3))
    assert measured.level == pytest.approx(-np.log((np.array((240, 230, 220)) + 0.5) / 255.5), abs=1e-6)
    assert measured.contrast == pytest.approx((0.6, 1.1, 0.4), abs=0.02)


@settings(deadline=None, max_examples=30)
@given(
    glass=st.tuples(*[st.integers(170, 250)] * 3),
    stain=st.tuples(st.floats(0.4, 1.2), st.floats(0.7, 1.5), st.floats(0.3, 0.9)),
    radius=st.integers(24, 29),
)
def test_camera_light_and_stain_are_normalized_away(
    glass: tuple[int, int, int], stain: tuple[float, float, float], radius: int
) -> None:
    reference = measure_reference("nucleus", [photograph((245, 235, 225), (0.7, 1.2, 0.4))])
    expected = photograph((245, 235, 225), (0.7, 1.2, 0.4), radius).astype(int)
    assert np.abs(reference.apply(photograph(glass, stain, radius)).astype(int) - expected).max() <= 6


def test_contrast_is_at_most_four_times_as_high() -> None:
    pale = np.array([[100, 100, 100], [102, 102, 102]] * 500, dtype=np.uint8)
    reference = measure_nucleus(photograph((245, 235, 225), (0.7, 1.2, 0.4)).reshape(-1, 3))
    assert np.ptp(match_nucleus.normalize(pale, measure_nucleus(pale), reference), axis=0).max() <= 20
