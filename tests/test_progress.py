"""Progress without a terminal: lines with the time left."""

import time
from collections.abc import Iterator

import pytest

from lymphoscope import progress


def in_batches(batches: int, size: int, seconds: float) -> Iterator[int]:
    for batch in range(batches):
        time.sleep(seconds)
        yield from range(batch * size, (batch + 1) * size)


def test_the_time_left_is_that_of_batches_not_of_their_first_item(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BEFORE_FIRST_LINE", 0.0)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    list(progress.tracked(in_batches(3, 100, 0.3), "predicting", 300))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "predicting: 1 of 300"
    assert "predicting: 101 of 300, less than a minute left" in lines
    # By its first item, 300 cells would have taken 300 * 0.3 seconds.
    assert not [line for line in lines if "min left" in line]
    assert lines[-1] == "predicting: 300 of 300"
