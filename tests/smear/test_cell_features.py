"""Feature vectors: whose rows they are, what they mean, and what a reader is refused."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference import Cell, Model, load, load_cell, readable_pixels
from lymphoscope.smear import FieldInput, RunOptions, SmearRecord, SmearResult, load_detector, read_features, run_smear
from lymphoscope.smear.cell_features import MAX_DIMENSIONS, STORED, CellFeatures, FeatureWriter
from lymphoscope.synthetic import TrueCell

Count = Callable[..., SmearResult]


@pytest.fixture(scope="module")
def real(scaled_model: Path) -> Model:
    return load(scaled_model, runtime="torch", threads=1)


def run(real: Model, folder: Path, out: Path, **options: object) -> SmearResult:
    inputs = [FieldInput(path) for path in sorted(folder.iterdir())]
    settings = RunOptions(microns_per_pixel=0.14, crops=True, **options)  # type: ignore[arg-type]
    return run_smear(real, load_detector("classical"), inputs, out, settings)


@pytest.mark.slow
def test_each_row_is_that_of_the_crop_of_its_cell(
    real: Model, apart: tuple[Path, list[TrueCell]], tmp_path: Path
) -> None:
    out = run(real, apart[0], tmp_path / "out", core=256, whole=256).out
    cells, vectors = pd.read_parquet(out / "cells.parquet"), read_features(out)
    assert vectors is not None and len(vectors) == len(cells) == 10
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=2e-3)
    prepare = partial(load_cell, preparation=real.description.preprocessing.preparation(), measured=False)
    pixels = readable_pixels([prepare(Cell(str(out / path))) for path in cells["path"]])
    assert pixels is not None
    expected = CellFeatures(real.description).vectors(list(real.runtime.features(pixels)))
    np.testing.assert_allclose(vectors, expected.astype(np.float32), atol=5e-3)


@pytest.mark.slow
def test_without_features_there_is_no_file(real: Model, apart: tuple[Path, list[TrueCell]], tmp_path: Path) -> None:
    out = run(real, apart[0], tmp_path / "out", features=False).out
    assert SmearRecord.model_validate_json((out / "smear.json").read_bytes()).features is None
    assert not (out / "features.npy").exists()
    assert read_features(out) is None


@pytest.mark.slow
def test_a_file_of_another_run_is_refused(real: Model, apart: tuple[Path, list[TrueCell]], tmp_path: Path) -> None:
    out = run(real, apart[0], tmp_path / "out").out
    np.save(out / "features.npy", np.zeros((3, 4), np.float16))
    with pytest.raises(LymphoscopeError, match="different runs"):
        read_features(out)
    (out / "features.npy").write_bytes(b"not an array")
    with pytest.raises(LymphoscopeError, match="cannot be read"):
        read_features(out)


def test_a_cell_without_a_prediction_has_nan(real: Model) -> None:
    known = np.arange(1, 5, dtype=np.float32)
    vectors = CellFeatures(real.description).vectors([None, known, None])
    assert np.isnan(vectors[[0, 2]]).all() and np.isfinite(vectors[1]).all()
    assert CellFeatures(real.description).vectors([None, None]).shape == (2, 0)


def test_the_projection_keeps_the_similarity_of_wide_features(real: Model) -> None:
    rng = np.random.default_rng(3)
    shared = rng.standard_normal(2048)
    features = (shared + rng.standard_normal((20, 2048))).astype(np.float32)
    exact = features / np.linalg.norm(features, axis=1, keepdims=True)
    vectors = CellFeatures(real.description).vectors(list(features)).astype(np.float32)
    assert vectors.shape == (20, MAX_DIMENSIONS)
    assert np.abs(vectors @ vectors.T - exact @ exact.T).max() < 5 / np.sqrt(MAX_DIMENSIONS)


def test_chunks_without_features_are_rows_of_nan(tmp_path: Path) -> None:
    writer = FeatureWriter(tmp_path, 4)
    for part in (np.empty((1, 0), STORED), np.ones((2, 3), STORED), np.empty((1, 0), STORED)):
        writer.write(part)
    assert writer.close() == 3
    written = np.load(tmp_path / "features.npy")
    assert written.dtype == STORED
    assert np.isnan(written[[0, 3]]).all() and (written[1:3] == 1).all()


def test_a_run_without_cells_has_no_features(count: Count, tmp_path: Path) -> None:
    Image.new("RGB", (640, 480), (240, 230, 235)).save(tmp_path / "blank.png")
    out = count(tmp_path / "blank.png").out
    assert json.loads((out / "smear.json").read_text())["features"] is None
