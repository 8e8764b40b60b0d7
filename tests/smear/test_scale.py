from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from lymphoscope.smear.scale import ScaleEstimate, estimate_scale
from lymphoscope.synthetic.images import FIELD_PIXELS_PER_UM, FieldImage


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("zoom", [0.35, 1.0, 1.7])
def test_the_scale_of_a_synthetic_field_is_found_at_any_zoom(
    drawn_field: Callable[[int], FieldImage], seed: int, zoom: float
) -> None:
    image = Image.fromarray(drawn_field(seed).pixels)
    image = image.resize((round(image.width * zoom), round(image.height * zoom)), Image.Resampling.BOX)
    estimate = estimate_scale(np.asarray(image))
    true = 1 / (FIELD_PIXELS_PER_UM * zoom)
    assert estimate.microns_per_pixel == pytest.approx(true, rel=0.2)
    assert estimate.red_cells >= 5
    assert estimate.spread is not None
    assert estimate.spread < 0.4


def test_enlarging_a_field_divides_its_scale(drawn_field: Callable[[int], FieldImage]) -> None:
    image = Image.fromarray(drawn_field(1).pixels).crop((0, 0, 400, 400))
    small, large = (estimate_scale(np.asarray(image.resize((side, side)))) for side in (200, 400))
    assert small.microns_per_pixel is not None
    assert large.microns_per_pixel == pytest.approx(small.microns_per_pixel / 2, rel=0.1)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_field_without_red_cells_has_no_scale(level: int) -> None:
    estimate = estimate_scale(np.full((200, 300, 3), level, np.uint8))
    assert estimate.microns_per_pixel is None
    assert "Give --mpp" in estimate.describe()


def test_a_given_scale_that_is_wrong_by_four_disagrees() -> None:
    estimate = ScaleEstimate(0.25, 40, 0.1)
    assert estimate.disagrees(1.0)
    assert estimate.disagrees(0.0625)
    assert not estimate.disagrees(0.3)
    assert not ScaleEstimate(None, 0, None).disagrees(1.0)
    assert estimate.describe() == "0.25 microns per pixel, from the diameter of 40 red cells."
