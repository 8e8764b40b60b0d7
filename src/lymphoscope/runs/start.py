"""The words of `lymphoscope train` -> a run that is begun, and from there to its end."""

from collections.abc import Iterable
from pathlib import Path

from lymphoscope.data import Manifest, read_source
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import Metrics
from lymphoscope.runs.cross_validation import begin_folds, finish_folds, folds_begun
from lymphoscope.runs.folder import RunFolder
from lymphoscope.runs.processes import is_rank_zero
from lymphoscope.runs.training import begin_training, finish_training


def begin(
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
    """Read the recipe and the cells, split them, and write what the run will do; 0 folds for a single run.

    `final` adds to the folds a model of all cells. Raises LymphoscopeError, one line, for every wrong word, and for
    leaks between the parts unless `allow_leak`, before any work is done.
    """
    from lymphoscope.training import check_recipe, load_recipe

    if not is_rank_zero():
        return
    folder.require_free()
    recipe = load_recipe(config, overrides)
    if data is None:
        raise LymphoscopeError("no cells: name them with --data, or go on with a run with --resume")
    manifest = data if isinstance(data, Manifest) else read_source(str(data), subject_pattern=subject_pattern)
    check_recipe(recipe, manifest.classes)
    if folds:
        begin_folds(recipe, manifest, folder, folds, final=final, allow_leak=allow_leak)
    else:
        begin_training(recipe, manifest, folder, allow_leak=allow_leak)


def finish(folder: RunFolder) -> Metrics | None:
    """Go on with a run or a cross-validation that was begun, to its end; return its metrics.

    Raises LymphoscopeError where none was begun.
    """
    folder.read()
    folds = folds_begun(folder)
    return finish_folds(folder, folds) if folds else finish_training(folder)
