import numpy as np
import pytest

from lymphoscope.synthetic.cells import bump, draw_outline, inside, polar, smooth_noise


def test_polar_coordinates_match_pixel_positions() -> None:
    around = polar(41, y=3, x=-2)
    y, x = np.mgrid[0:41, 0:41] - 20.0
    turn = around.step * 2 * np.pi / 1024
    np.testing.assert_allclose(around.distance, np.hypot(y - 3, x + 2), rtol=1e-6)
    np.testing.assert_allclose(around.distance * np.sin(turn), y - 3, atol=0.25)
    np.testing.assert_allclose(around.distance * np.cos(turn), x + 2, atol=0.25)


def test_area_of_a_disc_does_not_depend_on_its_softness() -> None:
    around = polar(101)
    for softness in (0.5, 2.0, 5.0):
        assert inside(30.0, around.distance, softness).sum() == pytest.approx(np.pi * 900, rel=0.02)


def test_outline_varies_with_its_amplitude() -> None:
    rng = np.random.default_rng(0)
    assert np.ptp(draw_outline(0, 0, rng)) == 0
    calm, wild = ([np.std(draw_outline(a, 0.002, rng)) for _ in range(60)] for a in (0.02, 0.08))
    assert np.mean(wild) > 3 * np.mean(calm)


def test_bump_is_at_its_angle_and_wraps_around() -> None:
    shape = bump(0.0, 0.2, -0.4)
    assert shape.argmin() == 0
    assert shape[0] == pytest.approx(-0.4)
    assert shape[1] == pytest.approx(shape[-1])
    assert abs(shape[512]) < 1e-6


@pytest.mark.parametrize("grain", [2.0, 6.0, 18.0])
def test_noise_correlates_over_its_grain_only(grain: float) -> None:
    fields = [smooth_noise(160, grain, np.random.default_rng(seed)) for seed in range(8)]

    def correlation(apart: int) -> float:
        return float(np.mean([(field[:, apart:] * field[:, : 160 - apart]).mean() for field in fields]))

    for field in fields:
        assert abs(field.mean()) < 1e-4
        assert field.std() == pytest.approx(1, abs=1e-3)
    assert correlation(max(round(grain / 4), 1)) > 0.6
    assert abs(correlation(round(3 * grain))) < 0.2
