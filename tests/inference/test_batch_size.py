import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lymphoscope.inference.pipeline import best_batch_size
from lymphoscope.inference.sinks.chunks import Chunks
from lymphoscope.method.numpy import StreamOutputs
from lymphoscope.vocabulary import prediction_columns


def test_the_smallest_of_the_fast_sizes_is_taken(by_colour: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    cost = {8: 1.0, 16: 0.51, 32: 0.50, 64: 0.50}
    predict = type(by_colour).predict

    def timed(pixels: NDArray[np.uint8]) -> StreamOutputs:
        clock[0] += len(pixels) * cost[len(pixels)]
        return predict(by_colour, pixels)

    monkeypatch.setattr(by_colour, "predict", timed)
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    assert best_batch_size(by_colour) == 16


def test_an_unfinished_run_keeps_its_size(by_colour: Any, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    Chunks(out, prediction_columns(("all", "hem")), {"options": {"batch_size": 5}}).start()
    assert best_batch_size(by_colour, out) == 5
    assert by_colour.batches == []
