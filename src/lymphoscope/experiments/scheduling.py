"""Many prepared runs: executed in turn, in parallel processes of this machine, or as trials of Ray Tune.

As a program it is one worker process, which executes the folders of standard input until that is closed:
`python -m lymphoscope.experiments.scheduling CORE...`.
"""

import contextlib
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lymphoscope.errors import LymphoscopeError
from lymphoscope.experiments.execution import execute, mark_failed, short_name, state_of

READY = "lymphoscope-worker-ready"


def execute_all(folders: Sequence[Path], *, jobs: int = 1, ray: bool = False) -> None:
    """Execute runs. Those that are done are not repeated; those that failed are tried once more.

    `jobs` runs are executed in parallel, or share a GPU of the Ray cluster. Raises LymphoscopeError for `ray` where Ray
    Tune is not installed.
    """
    waiting = [folder for folder in folders if state_of(folder)[0] != "done"]
    if not waiting:
        return
    if ray:
        _execute_on_ray(waiting, jobs)
    elif jobs > 1 and len(waiting) > 1:
        _execute_in_parallel(waiting, min(jobs, len(waiting)))
    else:
        for number, folder in enumerate(waiting, start=1):
            report_progress(f"run {number} of {len(waiting)}: {short_name(folder)}")
            execute(folder)


def serve(cores: Sequence[int]) -> None:
    """Be a worker process: execute the folders of standard input, one per line, on the given cores."""
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    for line in sys.stdin:
        execute(Path(line.strip()))
        print(READY, flush=True)


def _execute_in_parallel(folders: Sequence[Path], jobs: int) -> None:
    tasks: queue.SimpleQueue[Path] = queue.SimpleQueue()
    # Definitions list the longest runs last (WT-DFN, most maps, deepest): started first, they do not finish alone.
    for folder in reversed(folders):
        tasks.put(folder)
    threads = [threading.Thread(target=_feed, args=(tasks, cores), daemon=True) for cores in core_shares(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def core_shares(jobs: int) -> list[list[int]]:
    """The cores of each of `jobs` processes, so that their threads and image readers do not compete."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    return [cores[job::jobs] or [cores[job % len(cores)]] for job in range(jobs)]


def _feed(tasks: "queue.SimpleQueue[Path]", cores: list[int]) -> None:
    """Feed a worker process until no task is left; if it dies, mark the run as failed and start another."""
    worker: Worker | None = None
    while True:
        try:
            folder = tasks.get_nowait()
        except queue.Empty:
            break
        if worker and not worker.is_alive():
            worker.close()
            worker = None
        worker = worker or Worker(cores)
        report_progress(f"started: {short_name(folder)}")
        death = worker.execute(folder)
        if death:
            mark_failed(folder, death)
        report_progress(f"{state_of(folder)[0]}: {short_name(folder)}")
    if worker:
        worker.close()


class Worker:
    """A process that executes one folder at a time and reports when it is ready for the next."""

    def __init__(self, cores: list[int]) -> None:
        threads = {name: str(len(cores)) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        command = [sys.executable, "-m", "lymphoscope.experiments.scheduling", *map(str, cores)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env={**os.environ, **threads})  # noqa: S603

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def execute(self, folder: Path) -> str | None:
        """Execute one run; return why the process died, None if it did not."""
        assert self._process.stdin is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        try:
            self._process.stdin.write(f"{folder}\n")
            self._process.stdin.flush()
        except OSError:
            return f"its process could not be started (status {self._process.wait()})"
        for line in self._process.stdout:
            if line.strip() == READY:
                return None
        return f"its process ended with status {self._process.wait()}; -9 is often too little memory: use fewer --jobs"

    def close(self) -> None:
        """Let the process end."""
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):  # of a process that died
                if pipe is not None:
                    pipe.close()
        self._process.wait()


def _execute_on_ray(folders: Sequence[Path], jobs: int) -> None:
    """Execute each run as a trial of Ray Tune on a cluster whose machines share the folders."""
    try:
        import ray
        from ray import tune
    except ImportError:
        raise LymphoscopeError("--ray needs Ray Tune: pip install 'lymphoscope[reproduce]'") from None
    # Runs and cells may have relative paths, and Tune would change the working directory.
    os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
    started_here = not ray.is_initialized()
    if started_here:
        ray.init(log_to_driver=False, include_dashboard=False)
    logs = Path(os.path.commonpath([folder.resolve() for folder in folders])) / "ray_tune"
    resources: Mapping[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    gpu_share = 1.0 / jobs if resources.get("GPU") else 0.0
    try:
        tuner = tune.Tuner(
            tune.with_resources(_execute_trial, {"cpu": 1, "gpu": gpu_share}),
            param_space={"folder": tune.grid_search([str(folder.resolve()) for folder in folders])},
            run_config=tune.RunConfig(name="runs", storage_path=str(logs), verbose=0),
        )
        trials = tuner.fit()
        for index in range(len(trials)):
            record_trial(Path(str((trials[index].config or {})["folder"])), trials[index].error)
    finally:
        shutil.rmtree(logs, ignore_errors=True)
        if started_here:
            ray.shutdown()


def record_trial(folder: Path, error: Exception | None) -> None:
    """Record a trial whose process died; a run that failed has written its own reason."""
    if error is not None:
        mark_failed(folder, f"its process died: {str(error)[:300]}")
    report_progress(f"{state_of(folder)[0]}: {short_name(folder)}")


def _execute_trial(config: Mapping[str, Any]) -> None:
    execute(Path(config["folder"]))


def report_progress(line: str) -> None:
    """Print a line of progress on standard error, apart from the result."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    serve([int(core) for core in sys.argv[1:]])
