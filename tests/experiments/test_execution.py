"""The runner: what is done is not done again, what fails is marked, and a kill costs one run's last epoch."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.experiments import Request, load_definition, reproduce
from lymphoscope.experiments.execution import _shares, _Worker, execute, execute_all, state_of
from lymphoscope.experiments.grid import grid_of, trainings
from lymphoscope.experiments.on_ray import _mark
from lymphoscope.runs import RunFolder, begin_training
from lymphoscope.training import load_recipe

Ask = Callable[..., Request]


def began(folder: Path, manifest: Manifest, tiny: tuple[str, ...], *more: str) -> Path:
    begin_training(load_recipe("quick", [*tiny, "optimisation.epochs=1", *more]), manifest, RunFolder(folder))
    return folder


def words(request: Request) -> list[str]:
    limits = request.limits
    assert request.data is not None
    chosen = [word for name in request.only for word in ("--only", name)]
    keys = [word for key in limits.overrides for word in ("--set", key)]
    told = ["--data", request.data, "--out", str(request.out), "--subject-pattern", str(request.subject_pattern)]
    return ["reproduce", request.name, *told, "--limit-epochs", str(limits.epochs), "--folds", "2", *chosen, *keys]


@pytest.mark.slow
def test_killed_in_the_third_run_it_finishes_the_rest_and_repeats_nothing(ask: Ask, tmp_path: Path) -> None:
    request = ask("table1", tmp_path / "out", "plain", "wt_dfn")
    code = "import sys; from lymphoscope.cli.main import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *words(request)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("run 3 of 4"):
                os.kill(process.pid, signal.SIGKILL)
    parts = trainings(grid_of(load_definition("table1"), request))
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


def test_a_failed_run_is_marked_and_the_others_finish(
    tmp_path: Path, tiny_manifest: Manifest, tiny: tuple[str, ...]
) -> None:
    bad = began(tmp_path / "bad", tiny_manifest, tiny, "model.backbone=inception_v1", "model.pretrained=true")
    good = began(tmp_path / "good", tiny_manifest, tiny)
    execute_all([bad, good])
    state, seconds, reason = state_of(bad)
    assert (state, state_of(good)[0]) == ("failed", "done")
    assert seconds is not None
    assert reason is not None
    assert "without ImageNet weights" in reason
    assert "Traceback" in (bad / "failed.txt").read_text()


@pytest.mark.slow
def test_runs_side_by_side_end_like_one_after_another(
    tmp_path: Path, tiny_manifest: Manifest, tiny: tuple[str, ...]
) -> None:
    folders = [began(tmp_path / name, tiny_manifest, tiny, "streams=raw") for name in ("one", "two")]
    execute_all(folders, jobs=2)
    assert [state_of(folder)[0] for folder in folders] == ["done", "done"]
    written = [(folder / "ended.json").stat().st_mtime_ns for folder in folders]
    execute_all(folders, jobs=2)
    assert [(folder / "ended.json").stat().st_mtime_ns for folder in folders] == written


def test_a_worker_that_dies_says_so(tmp_path: Path) -> None:
    worker = _Worker([0])
    worker._process.kill()
    worker._process.wait()
    assert not worker.lives()
    assert "status -9" in str(worker.work(tmp_path))
    worker.end()


def test_the_cores_are_shared_out() -> None:
    cores = len(os.sched_getaffinity(0))
    assert sorted(core for share in _shares(cores) for core in share) == sorted(os.sched_getaffinity(0))
    assert all(len(share) == 1 for share in _shares(cores + 1))


def test_a_run_that_is_tried_again_keeps_its_time(tmp_path: Path) -> None:
    execute(tmp_path)
    first = state_of(tmp_path)
    assert first[0] == "failed"
    assert "no run to go on with" in str(first[2])
    time.sleep(0.01)
    execute(tmp_path)
    assert (state_of(tmp_path)[1] or 0) > (first[1] or 0)


@pytest.mark.slow
def test_ray_takes_the_runs(tmp_path: Path, tiny_manifest: Manifest, tiny: tuple[str, ...]) -> None:
    pytest.importorskip("ray")
    folder = began(tmp_path / "ray", tiny_manifest, tiny, "streams=raw")
    execute_all([folder], ray=True)
    assert state_of(folder)[0] == "done"
    assert not (folder / "ray_tune").exists()


def test_a_trial_whose_process_died_is_marked_and_one_that_ended_is_left(tmp_path: Path) -> None:
    execute(tmp_path)
    reason = state_of(tmp_path)[2]
    _mark(tmp_path, None)
    assert state_of(tmp_path)[2] == reason
    _mark(tmp_path, RuntimeError("the worker was killed"))
    assert state_of(tmp_path) == ("failed", 0.0, "its process died: the worker was killed")
