"""Runs as trials of Ray Tune: over all machines and GPUs of a cluster whose machines see the same folders."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lymphoscope.errors import LymphoscopeError
from lymphoscope.experiments.execution import ENDED, execute, say, short_name, state_of
from lymphoscope.files import write_json


def run_on_ray(folders: Sequence[Path], jobs: int) -> None:
    """Bring each run to its end as a trial of its own; one whose process died is marked so and the others finish.

    `jobs` runs share a GPU where there are some. Raises LymphoscopeError where Ray Tune is not installed.
    """
    try:
        import ray
        from ray import tune
    except ImportError:
        raise LymphoscopeError("--ray needs Ray Tune: pip install 'lymphoscope[reproduce]'") from None
    # Runs and their cells may be named from where the command was given, and Tune would go elsewhere.
    os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
    began = not ray.is_initialized()
    if began:
        ray.init(log_to_driver=False, include_dashboard=False)
    logs = Path(os.path.commonpath([folder.resolve() for folder in folders])) / "ray_tune"
    try:
        tuner = tune.Tuner(
            tune.with_resources(_trial, {"cpu": 1, "gpu": _share_of_a_gpu(ray, jobs)}),
            param_space={"folder": tune.grid_search([str(folder.resolve()) for folder in folders])},
            run_config=tune.RunConfig(name="runs", storage_path=str(logs), verbose=0),
        )
        found = tuner.fit()
        for place in range(len(found)):
            _mark(Path(str((found[place].config or {})["folder"])), found[place].error)
    finally:
        shutil.rmtree(logs, ignore_errors=True)
        if began:
            ray.shutdown()


def _trial(config: Mapping[str, str]) -> None:
    execute(Path(config["folder"]))


def _share_of_a_gpu(ray: Any, jobs: int) -> float:
    return 1.0 / jobs if ray.cluster_resources().get("GPU") else 0.0


def _mark(folder: Path, error: Exception | None) -> None:
    """What stops a run is written by itself; what ends its process is written here."""
    if error is not None:
        write_json(folder / ENDED, {"seconds": 0.0, "reason": f"its process died: {str(error)[:300]}"})
    say(f"{state_of(folder)[0]}: {short_name(folder)}")
