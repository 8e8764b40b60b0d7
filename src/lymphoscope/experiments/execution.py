"""Trainings that were begun -> done or failed, one after another or side by side; each ends in its own folder."""

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from lymphoscope.errors import LymphoscopeError
from lymphoscope.experiments.grid import SOURCE_OF_MODEL
from lymphoscope.experiments.result import RunState
from lymphoscope.files import write_json, write_text
from lymphoscope.runs import RunFolder, finish_training

ENDED = "ended.json"
"""How the last try of a run ended: `seconds`, and `reason` where it failed."""
READY = "lymphoscope-worker-ready"

# What a run may die of and leave the others sound: bad cells, no weights, no memory on the device, numbers not finite.
_FAULTS: Final = (
    LymphoscopeError,
    OSError,
    RuntimeError,
    ValueError,
    ArithmeticError,
    LookupError,
    MemoryError,
    TypeError,
)


def execute(folder: Path) -> None:
    """Bring one run to its end; what stops it is written into its folder and not raised."""
    started = time.monotonic()
    reason = None
    try:
        _finish(RunFolder(folder))
    except _FAULTS as error:
        text = " ".join(str(error).split())[:400]
        write_text(folder / "failed.txt", traceback.format_exc())
        reason = text if isinstance(error, LymphoscopeError) else f"{type(error).__name__}: {text}"
    write_json(folder / ENDED, {"seconds": time.monotonic() - started + _before(folder), "reason": reason})


def execute_all(folders: Sequence[Path], *, jobs: int = 1, ray: bool = False) -> None:
    """Bring runs to their ends; those that are done are not done again, those that failed are tried once more."""
    waiting = [folder for folder in folders if state_of(folder)[0] != "done"]
    if not waiting:
        return
    if ray:
        from lymphoscope.experiments.on_ray import run_on_ray

        run_on_ray(waiting, jobs)
    elif jobs > 1 and len(waiting) > 1:
        _side_by_side(waiting, min(jobs, len(waiting)))
    else:
        for number, folder in enumerate(waiting, start=1):
            say(f"run {number} of {len(waiting)}: {short_name(folder)}")
            execute(folder)


def state_of(folder: Path) -> tuple[str, float | None, str | None]:
    """Whether a run is done, failed or waiting; its seconds; and why it failed."""
    ended = _ended(folder)
    seconds, reason = ended.get("seconds"), ended.get("reason")
    if reason is None and _is_done(folder):
        return "done", seconds, None
    return ("failed", seconds, reason) if reason else ("waiting", None, None)


def run_state(name: str, folder: Path, below: Path) -> RunState:
    """The state of a run as a result shows it."""
    state, seconds, reason = state_of(folder)
    parts = {"name": name, "folder": folder.relative_to(below).as_posix(), "state": state}
    return RunState.model_validate({**parts, "seconds": seconds, "reason": reason})


def _finish(folder: RunFolder) -> None:
    if (folder.path / SOURCE_OF_MODEL).is_file() and not folder.report.is_file():
        _take_model(folder)
    finish_training(folder)
    # What a killed training goes on from, twice the weights and the optimiser's state: 45 trainings would fill a disk.
    shutil.rmtree(folder.path / "checkpoints", ignore_errors=True)


def _take_model(folder: RunFolder) -> None:
    """Copy another run's model with this run's test-time options, fit it anew, and judge it on the same cells."""
    from lymphoscope.inference import load
    from lymphoscope.model_file import load_network, save_model
    from lymphoscope.referral import Referral
    from lymphoscope.runs import evaluate_run
    from lymphoscope.runs.calibration_subjects import fit_on_calibration_subjects
    from lymphoscope.runs.leaks import training_cells_of_split

    source = Path(json.loads((folder.path / SOURCE_OF_MODEL).read_text())["run"]) / "model"
    recipe, manifest = folder.read()
    network, description = load_network(source)
    changed = {"test_time": recipe.test_time, "recipe": recipe.model_dump(mode="json")}
    unfitted = {"calibration": None, "referral": Referral(), "exports": ()}
    save_model(network, description.model_copy(update={**changed, **unfitted}), folder.model)
    fit_on_calibration_subjects(recipe, manifest, folder.model)
    shutil.copyfile(source.parent / "metrics.csv", folder.curves)
    title, known = f"Tested in another way: {recipe.name}", training_cells_of_split(manifest)
    # What leaks was refused when the grid was begun, or is the random split that was asked for.
    evaluate_run(load(folder.model), manifest, folder, title, known=known, allow_leak=True, part="test")


def _side_by_side(folders: Sequence[Path], jobs: int) -> None:
    tasks: queue.SimpleQueue[Path] = queue.SimpleQueue()
    # Definitions name what takes longest last (WT-DFN, most maps, deepest): begun first, it does not end alone.
    for folder in reversed(folders):
        tasks.put(folder)
    workers = [threading.Thread(target=_serve, args=(tasks, cores), daemon=True) for cores in _shares(jobs)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _shares(jobs: int) -> list[list[int]]:
    """The cores of each of `jobs` processes: threads and readers of pictures then fit beside the others'."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    return [cores[job::jobs] or [cores[job % len(cores)]] for job in range(jobs)]


def _serve(tasks: "queue.SimpleQueue[Path]", cores: list[int]) -> None:
    """Feed a worker process until nothing waits; one that dies is marked so, and a fresh one takes its place."""
    worker: _Worker | None = None
    while True:
        try:
            folder = tasks.get_nowait()
        except queue.Empty:
            break
        if worker and not worker.lives():
            worker.end()
            worker = None
        worker = worker or _Worker(cores)
        say(f"started: {short_name(folder)}")
        died = worker.work(folder)
        if died:
            write_json(folder / ENDED, {"seconds": 0.0, "reason": died})
        say(f"{state_of(folder)[0]}: {short_name(folder)}")
    if worker:
        worker.end()


class _Worker:
    """A process that takes folders, a line each, and says when it is ready for the next."""

    def __init__(self, cores: list[int]) -> None:
        counted = {name: str(len(cores)) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        words = [sys.executable, "-m", "lymphoscope.experiments.worker", *map(str, cores)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env={**os.environ, **counted})  # noqa: S603

    def lives(self) -> bool:
        return self._process.poll() is None

    def work(self, folder: Path) -> str | None:
        """Have a run done; return why the process died, None where it lives."""
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
        return f"its process ended with status {self._process.wait()}; -9 is most often too little memory: fewer --jobs"

    def end(self) -> None:
        """Let the process end; what it had is its folder's."""
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):  # of a process that died
                if pipe is not None:
                    pipe.close()
        self._process.wait()


def _is_done(folder: Path) -> bool:
    """The report is the last thing that a run with test cells writes; without test cells it is the model."""
    return (folder / "report.html").is_file() or (
        (folder / ENDED).is_file() and (folder / "model/model.json").is_file()
    )


def _ended(folder: Path) -> dict[str, Any]:
    path = folder / ENDED
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return found


def _before(folder: Path) -> float:
    return float(_ended(folder).get("seconds") or 0.0)


def short_name(folder: Path) -> str:
    """A run as the terminal names it: its last two folders."""
    return "/".join(folder.parts[-2:])


def say(line: str) -> None:
    """A line of progress, beside the answer and not in it."""
    print(line, file=sys.stderr, flush=True)
