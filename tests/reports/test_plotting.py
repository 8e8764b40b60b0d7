import base64
import io

import numpy as np
import pytest
from PIL import Image

from lymphoscope.reports.plotting import attention_overlay, drawable, figure_uri, image_uri, new_axes, styled


def test_characters_missing_from_the_font_become_boxes_and_long_text_is_shortened() -> None:
    assert drawable("H12 \u00fc $x$") == "H12 \u00fc $x$"
    assert drawable("\u7d30\u80de") == "\u25a1\u25a1"
    assert drawable("x" * 30, 8) == "xxxxxxx\u2026"


@pytest.mark.parametrize("text", ["$\\frac{1", "a_b^c", "%", "\u7d30", "<b>&"])
def test_any_name_can_be_drawn(text: str) -> None:
    with styled():
        figure, axes = new_axes(3, 2)
        axes.set_xlabel(drawable(text))
    assert figure_uri(figure).startswith("data:image/svg+xml;base64,")


@pytest.mark.parametrize("shape", [(300, 300, 3), (40, 20, 3)])
def test_an_image_uri_holds_the_image_at_most_224_pixels_wide(shape: tuple[int, int, int]) -> None:
    pixels = np.full(shape, (200, 30, 90), dtype=np.uint8)
    content = image_uri(pixels).partition(",")[2]
    image = Image.open(io.BytesIO(base64.b64decode(content)))
    assert max(image.size) == min(224, max(shape))
    assert np.abs(np.asarray(image).astype(int) - (200, 30, 90)).max() < 6


def test_overlay_is_yellow_at_full_attention_and_the_cell_itself_without() -> None:
    cell = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    attention = np.zeros((16, 16), dtype=np.float32)
    attention[4:8, 4:8] = 1
    shown = attention_overlay(cell, attention)
    assert shown.dtype == np.uint8
    np.testing.assert_array_equal(shown[attention == 0], cell[attention == 0])
    red, green, blue = shown[5, 5].astype(int) - np.rint(0.35 * cell[5, 5]).astype(int)
    assert min(red, green) > 120
    assert blue < 60


def test_overlay_clips_attention_to_0_1_and_takes_nan_as_0() -> None:
    cell = np.full((4, 4, 3), 100, dtype=np.uint8)
    attention = np.array([[np.nan, -1, 0, 2]] * 4, dtype=np.float32)
    shown = attention_overlay(cell, attention)
    np.testing.assert_array_equal(shown[:, :3], cell[:, :3])
    np.testing.assert_array_equal(shown[:, 3], attention_overlay(cell, np.ones((4, 4), dtype=np.float32))[:, 3])
