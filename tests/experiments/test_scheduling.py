"""Many runs: finished ones are not repeated, failures are recorded, and a kill costs one run's last epoch."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.experiments import Request, load_definition, reproduce
from lymphoscope.experiments.execution import execute, state_of
from lymphoscope.experiments.grid import build_grid, training_folders
from lymphoscope.experiments.scheduling import Worker, core_shares, execute_all, record_trial
from lymphoscope.runs import RunFolder, begin_training
from lymphoscope.training import load_recipe

pytestmark = pytest.mark.slow

MakeRequest = Callable[..., Request]


def prepare(folder: Path, manifest: Manifest, tiny: tuple[str, ...], *more: str) -> Path:
    begin_training(load_recipe("quick", [*tiny, "optimisation.epochs=1", *more]), manifest, RunFolder(folder))
    return folder


def command_line(request: Request) -> list[str]:
    limits = request.limits
    assert request.data is not None
    chosen = [argument for name in request.only for argument in ("--only", name)]
    keys = [argument for key in limits.overrides for argument in ("--set", key)]
    options = ["--data", request.data, "--out", str(request.out), "--subject-pattern", str(request.subject_pattern)]
    return ["reproduce", request.name, *options, "--limit-epochs", str(limits.epochs), "--folds", "2", *chosen, *keys]


@pytest.mark.slow
def test_a_killed_grid_resumes_and_repeats_nothing(make_request: MakeRequest, tmp_path: Path) -> None:
    request = make_request("table1", tmp_path / "out", "plain", "wt_dfn")
    code = "import sys; from lymphoscope.cli.main import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *command_line(request)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("run 3 of 4"):
                os.kill(process.pid, signal.SIGKILL)
    parts = training_folders(build_grid(load_definition("table1"), request))
    assert [state_of(part)[0] for part in parts] == ["done", "done", "waiting", "waiting"]
    before = {part: (part / "model/weights.safetensors").stat().st_mtime_ns for part in parts[:2]}

    result, page = reproduce(request)
    assert [run.state for run in result.runs] == ["done"] * 4
    assert {part: (part / "model/weights.safetensors").stat().st_mtime_ns for part in parts[:2]} == before
    assert [row.ours["weighted_f1"].value is not None for row in result.rows] == [True, True]
    assert {test.against for test in result.comparisons} == {"WT-DFN"}
    assert page.is_file()

    with pytest.raises(LymphoscopeError, match="holds table1 with epochs 1, not 2: choose another --out"):
        reproduce(replace(request, limits=replace(request.limits, epochs=2)))


def test_a_failed_run_is_recorded_and_the_others_finish(
    tmp_path: Path, tiny_manifest: Manifest, tiny: tuple[str, ...]
) -> None:
    bad = prepare(tmp_path / "bad", tiny_manifest, tiny, "model.backbone=inception_v1", "model.pretrained=true")
    good = prepare(tmp_path / "good", tiny_manifest, tiny)
    execute_all([bad, good])
    state, seconds, reason = state_of(bad)
    assert (state, state_of(good)[0]) == ("failed", "done")
    assert seconds is not None
    assert reason is not None
    assert "no ImageNet weights" in reason
    assert "Traceback" in (bad / "failed.txt").read_text()


@pytest.mark.slow
def test_parallel_runs_finish_and_are_not_repeated(
    tmp_path: Path, tiny_manifest: Manifest, tiny: tuple[str, ...]
) -> None:
    folders = [prepare(tmp_path / name, tiny_manifest, tiny, "streams=raw") for name in ("one", "two")]
    execute_all(folders, jobs=2)
    assert [state_of(folder)[0] for folder in folders] == ["done", "done"]
    written = [(folder / "ended.json").stat().st_mtime_ns for folder in folders]
    execute_all(folders, jobs=2)
    assert [(folder / "ended.json").stat().st_mtime_ns for folder in folders] == written


def test_a_dead_worker_reports_its_status(tmp_path: Path) -> None:
    worker = Worker([0])
    worker._process.kill()
    worker._process.wait()
    assert not worker.is_alive()
    assert "status -9" in str(worker.execute(tmp_path))
    worker.close()


def test_the_cores_are_divided_between_the_workers() -> None:
    cores = len(os.sched_getaffinity(0))
    assert sorted(core for share in core_shares(cores) for core in share) == sorted(os.sched_getaffinity(0))
    assert all(len(share) == 1 for share in core_shares(cores + 1))


@pytest.mark.slow
def test_ray_executes_the_runs(tmp_path: Path, tiny_manifest: Manifest, tiny: tuple[str, ...]) -> None:
    pytest.importorskip("ray")
    folder = prepare(tmp_path / "ray", tiny_manifest, tiny, "streams=raw")
    execute_all([folder], ray=True)
    assert state_of(folder)[0] == "done"
    assert not (folder / "ray_tune").exists()


def test_a_trial_whose_process_died_is_recorded_as_failed(tmp_path: Path) -> None:
    execute(tmp_path)
    reason = state_of(tmp_path)[2]
    record_trial(tmp_path, None)
    assert state_of(tmp_path)[2] == reason
    record_trial(tmp_path, RuntimeError("the worker was killed"))
    assert state_of(tmp_path) == ("failed", 0.0, "its process died: the worker was killed")
