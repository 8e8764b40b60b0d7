"""The whole demo, on synthetic and on real cells."""

import time
from pathlib import Path

import pytest

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import read_predictions
from lymphoscope.runs import RunFolder, demo, run_demo

pytestmark = pytest.mark.slow

REAL = Path(__file__).parents[3] / "shared" / "data"


def test_demo_does_the_whole_workflow_and_continues_after_a_stop(
    tiny: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "SUBJECTS", 16)
    monkeypatch.setattr(demo, "CELLS_PER_SUBJECT", 4)
    run = RunFolder(tmp_path / "demo")
    run_demo(run, overrides=[*tiny, "optimisation.epochs=1"])
    page = run.report.read_text()
    held_out = set(read_predictions(run.predictions)["subject"])
    assert held_out
    assert all(subject in page for subject in held_out)
    assert "synthetic" in page.lower()
    assert (run.path / "audit.json").exists()
    assert list((run.path / "explained").glob("*.png"))
    assert (run.path / "smear/report.html").is_file()
    before = run.report.stat().st_mtime_ns
    run_demo(run)
    assert run.report.stat().st_mtime_ns == before
    with pytest.raises(LymphoscopeError, match="has a run of other cells than elsewhere"):
        run_demo(run, "elsewhere")


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="needs ../shared/data")
def test_demo_on_real_cells_in_one_epoch(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "demo")
    start = time.process_time()  # other programs do not count
    run_demo(run, str(REAL / "cnmc"), overrides=["optimisation.epochs=1", "data.size=64"])
    assert time.process_time() - start < 240
    page = run.report.read_text()
    held_out = read_predictions(run.predictions)
    assert set(held_out["label"]) == {"all", "hem"}
    assert all(subject in page for subject in set(held_out["subject"]))
    assert "synthetic" not in page.lower()
