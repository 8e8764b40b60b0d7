"""One prepared run -> done or failed. How it ended is written into its own folder."""

import json
import shutil
import time
import traceback
from pathlib import Path
from typing import Any, Final

from lymphoscope.errors import LymphoscopeError, one_line
from lymphoscope.experiments.grid import MODEL_SOURCE_FILE
from lymphoscope.experiments.result import RunState
from lymphoscope.files import write_json, write_text
from lymphoscope.runs import RunFolder, finish_training

ENDED_FILE = "ended.json"
"""How the last attempt of a run ended: `seconds`, and `reason` if it failed."""

# Failures of one run that leave the others sound: bad cells, missing weights, device memory, numbers not finite.
_RUN_FAILURES: Final = (
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
    """Finish one run; a failure is written into its folder and not raised."""
    started = time.monotonic()
    reason = None
    try:
        _finish(RunFolder(folder))
    except _RUN_FAILURES as error:
        write_text(folder / "failed.txt", traceback.format_exc())
        known = isinstance(error, LymphoscopeError)
        reason = one_line(error if known else f"{type(error).__name__}: {error}", 400)
    seconds = time.monotonic() - started + float(_read_ended(folder).get("seconds") or 0.0)
    write_json(folder / ENDED_FILE, {"seconds": seconds, "reason": reason})


def mark_failed(folder: Path, reason: str) -> None:
    """Record that the process of a run died before it could write how it ended."""
    write_json(folder / ENDED_FILE, {"seconds": 0.0, "reason": reason})


def state_of(folder: Path) -> tuple[str, float | None, str | None]:
    """Whether a run is done, failed or waiting; its seconds; and why it failed."""
    ended = _read_ended(folder)
    seconds, reason = ended.get("seconds"), ended.get("reason")
    if reason is None and _is_done(folder):
        return "done", seconds, None
    return ("failed", seconds, reason) if reason else ("waiting", None, None)


def run_state(name: str, folder: Path, root: Path) -> RunState:
    """The state of a run as a result lists it, with its folder relative to `root`."""
    state, seconds, reason = state_of(folder)
    values = {"name": name, "folder": folder.relative_to(root).as_posix(), "state": state}
    return RunState.model_validate({**values, "seconds": seconds, "reason": reason})


def short_name(folder: Path) -> str:
    """A run as the terminal names it: its last two folders."""
    return "/".join(folder.parts[-2:])


def _finish(folder: RunFolder) -> None:
    if (folder.path / MODEL_SOURCE_FILE).is_file() and not folder.report.is_file():
        _test_other_model(folder)
    finish_training(folder)
    # Checkpoints hold twice the weights and the optimiser's state: those of 45 trainings would fill a disk.
    shutil.rmtree(folder.path / "checkpoints", ignore_errors=True)


def _test_other_model(folder: RunFolder) -> None:
    """Copy another run's model with this run's test-time options, calibrate it again, and evaluate the same cells."""
    from lymphoscope.inference import load
    from lymphoscope.model_file import load_network, save_model
    from lymphoscope.referral import Referral
    from lymphoscope.runs import evaluate_model, fit_on_validation_cells, training_cells_of_split

    source = Path(json.loads((folder.path / MODEL_SOURCE_FILE).read_text())["run"]) / "model"
    recipe, manifest = folder.read_plan()
    network, description = load_network(source)
    changed = {"test_time": recipe.test_time, "recipe": recipe.model_dump(mode="json")}
    unfitted = {"calibration": None, "referral": Referral(), "exports": ()}
    save_model(network, description.model_copy(update={**changed, **unfitted}), folder.model)
    fit_on_validation_cells(recipe, manifest, folder.model)
    shutil.copyfile(source.parent / "metrics.csv", folder.curves)
    title, known = f"Tested in another way: {recipe.name}", training_cells_of_split(manifest)
    # Leaks were refused when the grid was prepared; what is left is the random split that was requested.
    evaluate_model(load(folder.model), manifest, folder, title, training_cells=known, allow_leak=True, part="test")


def _is_done(folder: Path) -> bool:
    """The report is the last file that a run with test cells writes; without test cells it is the model.

    A frozen head has predictions and no model.
    """
    has_output = (folder / "model/model.json").is_file() or any(folder.glob("predictions.*"))
    return (folder / "report.html").is_file() or ((folder / ENDED_FILE).is_file() and has_output)


def _read_ended(folder: Path) -> dict[str, Any]:
    path = folder / ENDED_FILE
    ended: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return ended
