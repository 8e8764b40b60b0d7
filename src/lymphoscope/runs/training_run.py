"""What `lymphoscope train` does, with or without folds: check and plan a run, then finish it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from lymphoscope.data import Manifest, read_source
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import Metrics
from lymphoscope.runs.cross_validation import begin_folds, count_folds, finish_folds
from lymphoscope.runs.run_folder import RunFolder, is_rank_zero, log
from lymphoscope.runs.single_run import begin_training, finish_training


def begin_run(
    folder: RunFolder,
    data: Path | str | Manifest | None,
    config: str,
    overrides: Iterable[str] = (),
    folds: int = 0,
    *,
    final: bool = False,
    allow_leak: bool = False,
    subject_pattern: str | None = None,
) -> None:
    """Read recipe and cells, check and split them, and write the plan of the run; 0 folds for a single run.

    `final` adds a model of all cells to the folds. Raises LymphoscopeError, one line, for every invalid option, and for
    leaks between the parts unless `allow_leak`, before any work is done.
    """
    from lymphoscope.training import check_recipe, load_recipe

    if not is_rank_zero():
        return
    folder.require_free()
    recipe = load_recipe(config, overrides)
    if data is None:
        raise LymphoscopeError("no cells: name them with --data, or continue a run with --resume")
    manifest = data if isinstance(data, Manifest) else read_source(str(data), subject_pattern=subject_pattern)
    check_recipe(recipe, manifest.classes)
    if folds:
        begin_folds(recipe, manifest, folder, folds, final=final, allow_leak=allow_leak)
    else:
        begin_training(recipe, manifest, folder, allow_leak=allow_leak)


def finish_run(folder: RunFolder, *, ignored_options: Sequence[str] = ()) -> Metrics | None:
    """Continue a planned or stopped run or cross-validation to its end; return its metrics.

    `ignored_options` are named on standard error: a resumed run follows its own plan. Raises LymphoscopeError if the
    folder has no run.
    """
    folder.require_plan()
    if ignored_options:
        with folder.logged():
            log(f"--resume continues the run as planned in {folder.config}; ignored: {', '.join(ignored_options)}")
    folds = count_folds(folder)
    return finish_folds(folder, folds) if folds else finish_training(folder)
