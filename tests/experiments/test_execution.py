"""One run: its state, its time and its failure are written into its folder."""

import time
from pathlib import Path

from lymphoscope.experiments.execution import execute, mark_failed, state_of


def test_a_repeated_run_adds_up_its_time(tmp_path: Path) -> None:
    execute(tmp_path)
    first = state_of(tmp_path)
    assert first[0] == "failed"
    assert "no run to resume" in str(first[2])
    time.sleep(0.01)
    execute(tmp_path)
    assert (state_of(tmp_path)[1] or 0) > (first[1] or 0)


def test_a_run_whose_process_died_is_failed(tmp_path: Path) -> None:
    assert state_of(tmp_path) == ("waiting", None, None)
    mark_failed(tmp_path, "no memory")
    assert state_of(tmp_path) == ("failed", 0.0, "no memory")
