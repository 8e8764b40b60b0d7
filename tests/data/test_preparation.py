from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lymphoscope.data import CellImages, CellPreparation, Geometry, fit_image, measure_reference
from lymphoscope.data.quality import image_statistics
from lymphoscope.inference.inputs import read_cell

GEOMETRY = Geometry("center_crop", crop=60, size=48)


@pytest.fixture
def cells(tmp_path: Path) -> list[Path]:
    generator = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path in paths:
        pixels = np.zeros((80, 80, 3), dtype=np.uint8)
        pixels[20:60, 20:60] = generator.integers(60, 200, 3) + generator.integers(0, 50, (40, 40, 3))
        Image.fromarray(pixels).save(path)
    return paths


def pixels_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_without_stain_normalization_a_cell_is_only_fitted(cells: list[Path]) -> None:
    preparation = CellPreparation(GEOMETRY)
    for path in cells:
        np.testing.assert_array_equal(preparation.prepare(pixels_of(path)), fit_image(pixels_of(path), GEOMETRY))


def test_training_and_inference_prepare_the_same_pixels(cells: list[Path]) -> None:
    images = [fit_image(pixels_of(path), GEOMETRY) for path in cells]
    for preparation in (
        CellPreparation(GEOMETRY),
        CellPreparation(GEOMETRY, measure_reference("optical_density", images)),
    ):
        for trained, path in zip(CellImages(cells, preparation).preload(2), cells, strict=True):
            np.testing.assert_array_equal(trained, read_cell(str(path), preparation).pixels)


def test_quality_is_measured_on_what_the_network_receives(cells: list[Path]) -> None:
    images = [fit_image(pixels_of(path), GEOMETRY) for path in cells]
    preparation = CellPreparation(GEOMETRY, measure_reference("optical_density", images))
    read = read_cell(str(cells[0]), preparation, measured=True)
    assert read.pixels is not None
    assert read.statistics == image_statistics(read.pixels)
    assert read.statistics != image_statistics(images[0])
