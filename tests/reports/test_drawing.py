import base64
import io

import numpy as np
import pytest
from PIL import Image

from lymphoscope.reports.plotting import drawable, figure_uri, new_axes, picture_uri, styled


def test_text_that_the_font_lacks_becomes_boxes_and_long_text_ends_in_dots() -> None:
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
def test_a_picture_is_shrunk_to_fit_and_stays_what_it_was(shape: tuple[int, int, int]) -> None:
    pixels = np.full(shape, (200, 30, 90), dtype=np.uint8)
    content = picture_uri(pixels).partition(",")[2]
    image = Image.open(io.BytesIO(base64.b64decode(content)))
    assert max(image.size) == min(224, max(shape))
    assert np.abs(np.asarray(image).astype(int) - (200, 30, 90)).max() < 6
