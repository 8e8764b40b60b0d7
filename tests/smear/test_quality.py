from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageFilter

from lymphoscope.smear.illumination import largest_channel, smallest_channel
from lymphoscope.smear.quality import FLAGS, SET_ASIDE, tile_quality
from lymphoscope.synthetic.images import FIELD_PIXELS_PER_UM, FieldImage

SCALE = 1 / FIELD_PIXELS_PER_UM


def test_a_good_field_has_no_flags(drawn_field: Callable[[int], FieldImage]) -> None:
    quality = tile_quality(drawn_field(1).pixels, SCALE)
    assert quality.flags == ()
    assert quality.usable
    assert quality.describe() == ()


def test_blur_widens_the_edges_until_the_field_is_flagged(drawn_field: Callable[[int], FieldImage]) -> None:
    image = Image.fromarray(drawn_field(1).pixels)
    blurred = [image.filter(ImageFilter.GaussianBlur(microns / SCALE)) for microns in (0.2, 0.7, 1.6)]
    qualities = [tile_quality(np.asarray(one), SCALE) for one in blurred]
    widths = [quality.focus for quality in qualities]
    assert widths == sorted(widths, key=lambda width: width or 0)
    assert "blurred" in qualities[-1].flags
    assert not qualities[-1].usable


def test_focus_hardly_depends_on_the_pixels_per_micron(drawn_field: Callable[[int], FieldImage]) -> None:
    image = Image.fromarray(drawn_field(1).pixels)
    half = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
    full, small = tile_quality(np.asarray(image), SCALE).focus, tile_quality(np.asarray(half), 2 * SCALE).focus
    assert full is not None
    assert small == pytest.approx(full, rel=0.15)


@pytest.mark.parametrize(
    ("level", "flags"), [(0, {"dark", "empty"}), (30, {"dark", "empty"}), (240, {"empty"}), (255, {"empty"})]
)
def test_blank_fields_are_empty_and_dark_where_they_are(level: int, flags: set[str]) -> None:
    quality = tile_quality(np.full((120, 160, 3), level, np.uint8), 0.25)
    assert set(quality.flags) == flags
    assert not quality.usable
    assert all(sentence.endswith(".") for sentence in quality.describe())


def test_a_grey_field_has_no_stain(drawn_field: Callable[[int], FieldImage]) -> None:
    grey = np.repeat(drawn_field(1).pixels[:, :, 1:2], 3, axis=2)
    assert "no_stain" in tile_quality(grey, SCALE).flags


def test_fields_to_set_aside_have_known_flags() -> None:
    assert set(FLAGS) > SET_ASIDE


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_the_largest_and_the_smallest_channel_are_those_of_numpy(kind: type[np.uint8] | type[np.float32]) -> None:
    image = np.random.default_rng(0).uniform(0, 255, (31, 17, 3)).astype(kind)
    np.testing.assert_array_equal(largest_channel(image), image.max(axis=2))
    np.testing.assert_array_equal(smallest_channel(image), image.min(axis=2))
    assert largest_channel(image).dtype == smallest_channel(image).dtype == kind
