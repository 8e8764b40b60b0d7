"""Each signal moves with what it is named after, on black and on a smear, and hardly with anything else."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy import ndimage

from lymphoscope.data import Geometry, fit_image
from lymphoscope.data.quality import ImageStatistics, image_statistics, reaches_beyond_crop, visible_part
from lymphoscope.synthetic import synthesize

SIDE = 150


def load(path: str) -> np.ndarray:
    return np.array(Image.open(path).convert("RGB"))


@pytest.fixture(scope="module", params=["black", "smear"])
def cells(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    folder = tmp_path_factory.mktemp(request.param)
    synthesize(
        folder, subjects=4, cells_per_subject=3, fields=0, faults=False, size=SIDE, background=request.param, workers=1
    )
    return [load(str(path)) for path in sorted(folder.glob("images/*/*.png"))]


def measured(pictures: list[np.ndarray]) -> list[ImageStatistics]:
    return [image_statistics(pixels) for pixels in pictures]


def changed(pixels: np.ndarray, factors: tuple[float, float, float]) -> np.ndarray:
    return np.clip(pixels * np.array(factors), 0, 255).astype(np.uint8)


def test_sharpness_falls_with_blur(cells: list[np.ndarray]) -> None:
    blurred = [
        [np.array(Image.fromarray(each).filter(ImageFilter.GaussianBlur(radius))) for each in cells]
        for radius in (0, 1, 2, 4)
    ]
    sharpness = np.array([[each.sharpness for each in measured(pictures)] for pictures in blurred])
    assert (np.diff(sharpness, axis=0) < 0).all()


def test_sharpness_on_a_smear_matches_scipy() -> None:
    pixels = np.random.default_rng(0).integers(100, 255, (41, 40, 3), dtype=np.uint8)
    reference = ndimage.laplace(pixels[:, :, 1].astype(float))[1:-1:2, 1:-1]
    assert image_statistics(pixels).sharpness == pytest.approx(np.log((reference**2).mean() + 0.1), rel=1e-4)


def test_less_light_lowers_brightness_and_keeps_colour(cells: list[np.ndarray]) -> None:
    before, after = measured(cells), measured([changed(each, (0.7, 0.7, 0.7)) for each in cells])
    for one, other in zip(before, after, strict=True):
        assert other.brightness == pytest.approx(0.7 * one.brightness, rel=0.05)
        assert other.red_green == pytest.approx(one.red_green, abs=0.05)


def test_different_stain_changes_colour(cells: list[np.ndarray]) -> None:
    before, after = measured(cells), measured([changed(each, (1.0, 1.0, 0.6)) for each in cells])
    for one, other in zip(before, after, strict=True):
        assert other.blue_green - one.blue_green == pytest.approx(np.log(0.6), abs=0.1)


def test_cut_cell_touches_the_border(cells: list[np.ndarray]) -> None:
    whole = [each.touching for each in measured(cells)]
    halved = [each.touching for each in measured([np.ascontiguousarray(each[:, SIDE // 2 :]) for each in cells])]
    assert np.median(whole) < 0.02
    assert np.median(halved) > 0.1


def test_padding_is_not_measured() -> None:
    fit = Geometry("center_crop", crop=100, size=50)
    file = np.zeros((60, 41, 3), dtype=np.uint8)
    file[:, 15:27] = 90  # a cell on black, cut off above and below
    fitted, shown = fit_image(file, fit), visible_part(41, 60, fit)
    assert shown == (slice(11, 39), slice(16, 34))
    assert image_statistics(fitted).touching == 0
    assert image_statistics(fitted, shown).touching == pytest.approx(2 * 6 / (2 * 28 + 2 * 18), abs=0.03)
    assert visible_part(100, 120, fit) is None
    assert visible_part(10, 10, Geometry("resize", size=50)) is None


@pytest.mark.parametrize("level", [0, 128, 255])
def test_flat_image_has_finite_statistics(level: int) -> None:
    found = image_statistics(np.full((64, 64, 3), level, dtype=np.uint8))
    assert np.isfinite(found).all()
    assert found.brightness == pytest.approx(level)
    assert found.sharpness == pytest.approx(np.log(0.1))


def square_cell(side: int, top: int, left: int, bottom: int, right: int, background: int = 0) -> np.ndarray:
    pixels = np.full((side, side, 3), background, dtype=np.uint8)
    pixels[top:bottom, left:right] = (150, 60, 160)
    return pixels


@pytest.mark.parametrize(
    ("box", "beyond"),
    [
        ((76, 76, 374, 374), False),
        ((75, 100, 200, 200), True),
        ((100, 75, 200, 200), True),
        ((100, 100, 375, 200), True),
        ((100, 100, 200, 375), True),
        ((10, 10, 30, 30), True),
        ((200, 200, 201, 201), False),
    ],
)
def test_cell_at_the_border_of_the_central_crop_reaches_beyond_it(box: tuple[int, int, int, int], beyond: bool) -> None:
    assert reaches_beyond_crop(square_cell(450, *box), 300) is beyond


def test_only_cropped_cells_on_black_can_reach_beyond_the_crop() -> None:
    assert not reaches_beyond_crop(square_cell(450, 10, 10, 30, 30, background=90), 300)
    assert not reaches_beyond_crop(square_cell(300, 0, 100, 300, 200), 300)


REAL = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.skipif(not REAL.exists(), reason="needs ../shared/data")
def test_blur_and_cuts_are_measurable_on_real_cells() -> None:
    """Estimate on 40 cells against the 1 % limit of 40 others: 0 of 40 kept at a blur of 1.5 pixels and more."""
    fit = Geometry()
    files = [load(str(path)) for path in sorted((REAL / "cnmc").glob("**/*.png"))[::9]]
    sharp = [image_statistics(fit_image(each, fit)).sharpness for each in files]
    soft = [np.array(Image.fromarray(each).filter(ImageFilter.GaussianBlur(2))) for each in files]
    blurred = [image_statistics(fit_image(each, fit)).sharpness for each in soft]
    assert np.mean(np.array(blurred) < np.min(sharp)) > 0.9
    cut = [np.ascontiguousarray(each[:, 165:]) for each in files]
    touching = [image_statistics(fit_image(each, fit), visible_part(285, 450, fit)).touching for each in cut]
    assert np.mean(np.array(touching) > 0.08) > 0.9
