"""Prediction on a GPU: the same labels and nearly the same scores as on the processor."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lymphoscope.inference import load
from lymphoscope.model_file import resolve_model

pytestmark = pytest.mark.cuda


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of cells of 450 x 450 pixels: a disc of its own colour and place on black."""
    folder = tmp_path_factory.mktemp("cells")
    generator = np.random.default_rng(2)
    rows, columns = np.mgrid[:450, :450]
    for number in range(24):
        image = np.zeros((450, 450, 3), dtype=np.uint8)
        top, left = generator.integers(200, 250, 2)
        inside = (rows - top) ** 2 + (columns - left) ** 2 < generator.integers(60, 110) ** 2
        image[inside] = generator.integers(60, 220, 3) + generator.integers(0, 30, (int(inside.sum()), 3))
        Image.fromarray(image).save(folder / f"{number:02d}.png")
    return folder


@pytest.mark.parametrize("erase", ["always", "on_disagreement"])
def test_float32_gives_the_labels_and_scores_of_the_processor(cells: Path, erase: str) -> None:
    tables = [
        load(resolve_model(None), runtime="torch", device=device, erase=erase).predict(cells)  # type: ignore[arg-type]
        for device in ("cpu", "cuda")
    ]
    assert tables[0]["predicted"].tolist() == tables[1]["predicted"].tolist()
    for column in (name for name in tables[0] if name.startswith("score_")):
        np.testing.assert_allclose(tables[0][column], tables[1][column], atol=0.02)  # convolutions may use TF32


def test_bfloat16_is_near_float32(cells: Path) -> None:
    full, half = (
        load(resolve_model(None), runtime="torch", device="cuda", precision=precision).predict(cells)
        for precision in ("float32", "bfloat16")
    )
    near = np.abs(full["raw_all"] - half["raw_all"]) < 0.1
    assert near.mean() > 0.9


def test_a_compiled_network_gives_the_same_labels(cells: Path) -> None:
    eager, compiled = (
        load(resolve_model(None), runtime="torch", device="cuda", compile=flag).predict(cells) for flag in (False, True)
    )
    assert eager["predicted"].tolist() == compiled["predicted"].tolist()


def test_auto_takes_the_gpu_with_torch() -> None:
    assert load(resolve_model(None), runtime="torch").runtime.options["device"].startswith("cuda")
