"""Corruptions are graded, deterministic for a seed, and do what their names say."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from lymphoscope.errors import LymphoscopeError
from lymphoscope.robustness.corruptions import (
    CORRUPTIONS,
    LEVELS,
    add_noise,
    blur,
    corrupt_image,
    describe_amount,
    expose,
    jpeg,
    rescale,
    restain,
)

SIDE = 96


def cell(*, black: bool) -> NDArray[np.uint8]:
    """A stained disc with a nucleus and some texture, on black as C-NMC has it or on pale background."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2 + 0.5
    pixels = np.full((SIDE, SIDE, 3), 0.0 if black else 225.0)
    radius = np.hypot(y, x)
    pixels[radius < 36] = (200, 160, 205)
    pixels[np.hypot(y - 4, x + 6) < 22] = (110, 60, 150)
    texture = ndimage.gaussian_filter(generator.normal(0, 60, (SIDE, SIDE, 1)), (1, 1, 0))
    shown = radius[..., None] < 36 if black else np.ones((SIDE, SIDE, 1), dtype=bool)
    return np.clip(pixels + texture * shown, 1 * shown, 255).astype(np.uint8)


@pytest.fixture(params=[True, False], ids=["on black", "on background"])
def pixels(request: pytest.FixtureRequest) -> NDArray[np.uint8]:
    return cell(black=request.param)


def distance(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(float) - other).mean())


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruption_grows_with_its_level_from_none(name: str, pixels: NDArray[np.uint8]) -> None:
    before = pixels.copy()
    changed = [corrupt_image(pixels, name, level, seed=3) for level in range(LEVELS + 1)]
    distances = [distance(pixels, each) for each in changed]
    assert distances[0] == 0
    assert distances == sorted(distances)
    assert len(set(distances)) == LEVELS + 1
    assert {each.shape for each in changed} == {pixels.shape}
    assert {each.dtype for each in changed} == {np.dtype(np.uint8)}
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruption_is_deterministic_for_a_seed(name: str, pixels: NDArray[np.uint8]) -> None:
    one, other, another = (corrupt_image(pixels, name, 3, seed) for seed in (1, 1, 2))
    assert np.array_equal(one, other)
    assert np.array_equal(one, another) == (name != "noise")


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name not in ("jpeg", "smaller", "larger")])
@pytest.mark.parametrize("level", [1, 5])
def test_black_background_stays_black(name: str, level: int) -> None:
    pixels = cell(black=True)
    background = ~pixels.any(axis=2)
    assert 0.4 < background.mean() < 0.7
    assert not corrupt_image(pixels, name, level)[background].any()


def test_every_level_describes_its_amount() -> None:
    texts = {name: [describe_amount(name, level) for level in range(LEVELS + 1)] for name in CORRUPTIONS}
    assert all(len(set(each)) == LEVELS + 1 and each[0] == "unchanged" for each in texts.values())
    assert texts["blur"][2] == "sigma 1 px"
    assert texts["jpeg"][5] == "quality 10"
    assert texts["stain_red"][3] == "20 % of density"
    assert texts["larger"][3] == "x 1.2"


@pytest.mark.parametrize(
    ("name", "level", "message"), [("frost", 1, "frost"), ("blur", 6, "level 6"), ("blur", -1, "-1")]
)
def test_unknown_corruption_or_level_is_an_error(name: str, level: int, message: str) -> None:
    with pytest.raises(LymphoscopeError, match=message):
        corrupt_image(cell(black=True), name, level)


def test_blur_equals_scipys_and_keeps_a_uniform_cell_on_black_uniform() -> None:
    pixels = cell(black=False)
    expected = ndimage.gaussian_filter(pixels.astype(float), (2, 2, 0), mode="nearest")
    assert np.abs(blur(pixels, 2) - expected).max() <= 0.51
    even = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    even[20:70, 30:80] = (200, 100, 50)
    assert np.array_equal(blur(even, 3), even)


def test_jpeg_equals_a_file_written_and_read(pixels: NDArray[np.uint8]) -> None:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="JPEG", quality=30)
    assert np.array_equal(jpeg(pixels, 30), np.asarray(Image.open(io.BytesIO(stream.getvalue()))))


def test_restain_scales_and_shifts_optical_density() -> None:
    pixels = cell(black=False)
    scale, shift = np.array([0.8, 1.1, 1.0]), np.array([0.0, 0.05, 0.02])
    density = -np.log10(pixels / 255)
    expected = 255 * 10 ** -(scale * density + shift)
    assert np.abs(restain(pixels, tuple(scale), tuple(shift)) - expected).max() <= 0.51
    assert np.array_equal(restain(pixels, (1, 1, 1), (0, 0, 0)), pixels)
    white = np.full((4, 4, 3), 255, dtype=np.uint8)
    assert np.array_equal(restain(white, (0.5, 2, 1), (0, 0, 0)), white)


def test_redder_stain_is_redder_and_bluer_stain_bluer() -> None:
    def balance(pixels: NDArray[np.uint8]) -> float:
        red, green, _ = pixels.reshape(-1, 3).mean(axis=0)
        return float(red - green)

    pixels = cell(black=False)
    red, blue = (corrupt_image(pixels, name, 3) for name in ("stain_red", "stain_blue"))
    assert balance(red) > balance(pixels) + 10
    assert balance(blue) < balance(pixels) - 10


def test_expose_multiplies_and_clips() -> None:
    pixels = np.array([[[10, 100, 200]]], dtype=np.uint8)
    assert expose(pixels, 1.5).tolist() == [[[15, 150, 255]]]
    assert expose(pixels, 0.5).tolist() == [[[5, 50, 100]]]


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.25, 2.0])
def test_area_scales_with_the_square_of_the_factor(factor: float) -> None:
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2 + 0.5
    disc = np.repeat(np.where(np.hypot(y, x) < 20, 255, 0).astype(np.uint8)[..., None], 3, axis=2)
    assert rescale(disc, factor).sum() / disc.sum() == pytest.approx(factor**2, rel=0.05)


def test_smaller_image_is_padded_by_mirroring() -> None:
    pixels = cell(black=False)
    small = rescale(pixels, 0.5)
    assert np.array_equal(small[24:72, 23], small[24:72, 24])
    assert small.min() > 0


def test_smaller_cell_on_black_is_padded_with_black() -> None:
    small = rescale(cell(black=True), 0.5)
    frame = np.ones((SIDE, SIDE), dtype=bool)
    frame[24:72, 24:72] = False
    assert not small[frame].any()
    assert small[48, 48].all()


def test_noise_has_the_stated_standard_deviation() -> None:
    grey = np.full((200, 200, 3), 128, dtype=np.uint8)
    noise = add_noise(grey, 10, np.random.default_rng(0)).astype(float) - 128
    assert noise.std() == pytest.approx(10, rel=0.02)
    assert abs(noise.mean()) < 0.2


def test_every_corruption_has_a_title_of_its_own() -> None:
    titles = [corruption.title for corruption in CORRUPTIONS.values()]
    assert len(set(titles)) == len(titles)
    assert all(name == corruption.name for name, corruption in CORRUPTIONS.items())
