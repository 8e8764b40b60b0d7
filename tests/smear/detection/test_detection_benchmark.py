"""The counts of `benchmarks/detection.py`: cells that the edge cuts cost no precision where they are not counted."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from lymphoscope.smear import Detections

_FOLDER = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(_FOLDER)
    spec = importlib.util.spec_from_file_location("detection_benchmark", _FOLDER / "detection.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


class _Fixed:
    """Finds a cell twice, one at the edge and one in the middle, whatever the image."""

    name = "fixed"

    def detect(self, image: np.ndarray, microns_per_pixel: float) -> Detections:
        boxes = np.array([[10, 10, 20, 20], [12, 12, 20, 20], [0, 60, 10, 20], [70, 70, 10, 10]], np.float32)
        cut = frozenset({"cut_by_edge"})
        scores = np.array([0.4, 0.9, 0.8, 0.7], np.float32)
        return Detections(boxes, (np.zeros((4, 2), np.float32),) * 4, scores, (frozenset(), frozenset(), cut, cut))


def test_cells_cut_by_the_edge_are_left_out_of_the_last_column(benchmark: ModuleType, tmp_path: Path) -> None:
    Image.new("RGB", (100, 100)).save(tmp_path / "a.png")
    boxes = np.array([[12, 12, 32, 32], [70, 70, 80, 80]], np.float32)
    field = benchmark.Field(tmp_path / "a.png", "s", boxes, 0.3, True)
    one = benchmark.count(_Fixed(), field)
    assert (one.boxes, one.found, one.centre, one.overlap) == (2, 4, 2, 2)
    assert (one.whole, one.whole_centre) == (2, 1)
    row = benchmark.summarise([one])["s"]
    assert row["precision"][0] == 0.5
    assert row["precision_whole"][0] == 0.5
    assert row["recall"][0] == 1.0


def test_scores_are_compared_with_the_best_of_the_field(benchmark: ModuleType, tmp_path: Path) -> None:
    Image.new("RGB", (100, 100)).save(tmp_path / "a.png")
    field = benchmark.Field(tmp_path / "a.png", "s", np.array([[12, 12, 32, 32]], np.float32), 0.3, True)
    assert [benchmark.count(_Fixed(), field, share).found for share in (0, 0.5, 0.8, 1)] == [4, 3, 2, 1]


def test_each_box_counts_once_and_for_the_better_cell(benchmark: ModuleType, tmp_path: Path) -> None:
    field = benchmark.Field(tmp_path, "s", np.array([[12, 12, 32, 32]], np.float32), 0.3, True)
    found = _Fixed().detect(np.zeros((1, 1, 3)), 0.3)
    assert benchmark.in_boxes(found, field)[0].tolist() == [False, True, False, False]
    nothing = benchmark.in_boxes(Detections.empty(), field)
    assert [len(part) for part in nothing] == [0, 0]
