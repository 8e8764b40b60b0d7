"""Threads may share a loaded model: their results equal those of one thread, for every runtime."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from lymphoscope.export import export_model, synthetic_cells
from lymphoscope.inference import Model, load
from lymphoscope.inference.backends import export_runtimes, runtime_names

THREADS, CALLS = 8, 200
SIZES = (1, 3, 5, 8)


@pytest.fixture(scope="module")
def exported(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "model"
    shutil.copytree(tiny_model, folder)
    for runtime in export_runtimes():
        export_model(folder, runtime.name, synthetic_cells(64, 8))
    return folder


@pytest.fixture(scope="module")
def batches() -> list[NDArray[np.uint8]]:
    """Batches of different sizes and cells."""
    cells = synthetic_cells(64, 40).pixels
    return [cells[start : start + SIZES[start % len(SIZES)]] for start in range(32)]


def results(model: Model, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.int64] | None]:
    outputs = model.runtime.predict(pixels)
    return outputs.probabilities, outputs.boxes


@pytest.mark.slow
@pytest.mark.parametrize("runtime", sorted(runtime_names()))
def test_threads_that_share_a_model_get_the_results_of_one(
    exported: Path, batches: list[NDArray[np.uint8]], runtime: str
) -> None:
    model = load(exported, runtime=runtime, device="cpu", threads=1)
    expected = [results(model, batch) for batch in batches]
    with ThreadPoolExecutor(THREADS) as pool:
        calls = [pool.submit(results, model, batches[number % len(batches)]) for number in range(CALLS)]
        for number, call in enumerate(calls):
            probabilities, boxes = call.result()
            np.testing.assert_allclose(probabilities, expected[number % len(batches)][0], atol=1e-6)
            assert np.array_equal(boxes, expected[number % len(batches)][1])


@pytest.mark.slow
def test_tables_of_threads_equal_the_table_of_one(exported: Path, tmp_path: Path) -> None:
    model = load(exported, runtime="onnx", threads=2)
    cells = list(synthetic_cells(64, 12).pixels)
    expected = model.predict(cells)
    with ThreadPoolExecutor(THREADS) as pool:
        for table in pool.map(lambda _: model.predict(cells), range(16)):
            pd.testing.assert_frame_equal(table, expected)
