import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from pydantic import ValidationError

from lymphoscope.data import Geometry, fit_image, read_image
from lymphoscope.data.stain import StainNormalization, foreground_of, measure_reference
from lymphoscope.data.stains import get_stain_method, stain_method_names
from lymphoscope.errors import LymphoscopeError

REAL = Path(__file__).parents[3] / "shared" / "data"
METHODS = stain_method_names()[1:]
SIZE = 120


def disc(radius: int) -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    return np.hypot(y, x) < radius


def cell(background: int, seed: int = 0) -> np.ndarray:
    """A stained disc with a darker nucleus, on black (0) or on glass."""
    generator = np.random.default_rng(seed)
    pixels = np.full((SIZE, SIZE, 3), background, dtype=np.float64)
    pixels[disc(40)] = (170, 130, 190)
    pixels[disc(28)] = (110, 60, 150)
    inside = disc(40)
    pixels[inside] += generator.normal(0, 6, (int(inside.sum()), 3))
    return np.clip(pixels, 0, 255).astype(np.uint8)


@pytest.fixture(params=METHODS)
def normalization(request: pytest.FixtureRequest) -> StainNormalization:
    return measure_reference(
        request.param, [np.clip(cell(0, seed) * 0.8, 0, 255).astype(np.uint8) for seed in range(5)]
    )


@pytest.mark.parametrize("background", [0, 238])
def test_foreground_is_the_cell_without_black_and_glass(background: int) -> None:
    foreground = foreground_of(cell(background))
    assert foreground is not None
    np.testing.assert_array_equal(foreground, disc(40))


@pytest.mark.parametrize("background", [0, 238])
def test_only_the_foreground_changes(normalization: StainNormalization, background: int) -> None:
    if background and get_stain_method(normalization.method).glass:
        pytest.skip("this method changes the glass too")
    before = cell(background)
    after = normalization.apply(before)
    np.testing.assert_array_equal(after[~disc(40)], before[~disc(40)])
    assert (after[disc(40)] != before[disc(40)]).any(axis=1).mean() > 0.9
    np.testing.assert_array_equal(before, cell(background))


@pytest.mark.parametrize("level", [0, 5, 128, 240, 255])
def test_blank_image_stays_as_it_is(normalization: StainNormalization, level: int) -> None:
    blank = np.full((SIZE, SIZE, 3), level, dtype=np.uint8)
    np.testing.assert_array_equal(normalization.apply(blank), blank)


@pytest.mark.parametrize("background", [0, 238])
def test_cells_of_different_stain_become_alike(normalization: StainNormalization, background: int) -> None:
    pixels = cell(background)
    foreground = disc(40)
    stronger = pixels.copy()
    stronger[foreground] = np.clip(255 * (pixels[foreground] / 255.0) ** 1.25 * (0.95, 1.0, 0.9), 0, 255)
    before = np.abs(stronger[foreground].astype(int) - pixels[foreground]).mean()
    after = np.abs(normalization.apply(stronger)[foreground].astype(int) - normalization.apply(pixels)[foreground])
    assert before > 8
    assert after.mean() < 2


@settings(max_examples=40, deadline=None)
@given(data=st.data(), side=st.integers(16, 60), name=st.sampled_from(METHODS))
def test_any_image_gives_a_valid_image(data: st.DataObject, side: int, name: str) -> None:
    generator = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    low, high = sorted(data.draw(st.tuples(st.integers(0, 255), st.integers(1, 256))))
    pixels = generator.integers(low, high + 1, (side, side, 3)).clip(0, 255).astype(np.uint8)
    pixels[: data.draw(st.integers(0, side))] = data.draw(st.sampled_from([0, 255]))
    normalized = measure_reference(name, [cell(0)]).apply(pixels)
    assert normalized.shape == pixels.shape
    assert normalized.dtype == np.uint8
    np.testing.assert_array_equal(measure_reference(name, [cell(0)]).apply(pixels), normalized)


def test_reference_is_the_median_of_the_images_with_a_foreground() -> None:
    images = [cell(0, seed) for seed in range(3)]
    reference = measure_reference("optical_density", [*images, np.zeros_like(images[0])])
    assert reference.cells == 3
    middle = sorted(measure_reference("optical_density", [each]).level[1] for each in images)[1]
    assert reference.level[1] == pytest.approx(middle)


def test_reference_without_any_foreground_is_refused() -> None:
    with pytest.raises(LymphoscopeError, match="no training cell has a foreground"):
        measure_reference("optical_density", [np.zeros((20, 20, 3), dtype=np.uint8)])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"method": "none"}, "is unknown"),
        ({"level": (float("nan"), 1, 1)}, "finite"),
        ({"contrast": (-1, 1, 1)}, "not negative"),
        ({"cells": 0}, "greater than or equal to 1"),
    ],
)
def test_invalid_normalization_in_a_model_file_is_refused(wrong: dict[str, object], message: str) -> None:
    valid = {"method": "optical_density", "level": (1, 1, 1), "contrast": (0.3, 0.3, 0.3), "cells": 4}
    StainNormalization.model_validate(valid)
    with pytest.raises(ValidationError, match=message):
        StainNormalization.model_validate(valid | wrong)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="needs ../shared/data")
@pytest.mark.parametrize("folder", ["cnmc", "pbc/lymphocyte"])
def test_real_cells_become_more_alike_and_take_few_milliseconds(folder: str) -> None:
    mode = "center_crop" if folder == "cnmc" else "resize"
    paths = sorted((REAL / folder).rglob("*.*g"))[::12][:30]
    cells = [fit_image(read_image(path), Geometry(mode)) for path in paths]
    for name in METHODS:
        normalization = measure_reference(name, cells)
        start = time.process_time()  # other programs do not count
        normalized = [normalization.apply(each) for each in cells]
        seconds = (time.process_time() - start) / len(cells)
        method, spread = get_stain_method(name), []
        for images in (cells, normalized):
            measured = [
                method.measure(each[each[:, :, 1] > 12 if method.glass else foreground_of(each)]) for each in images
            ]
            spread.append(np.std([[*one.level, *one.contrast] for one in measured], axis=0).mean())
        assert spread[1] < 0.7 * spread[0]
        assert seconds < 0.05
