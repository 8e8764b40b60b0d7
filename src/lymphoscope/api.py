"""The commands as Python functions: `from lymphoscope import load, train, evaluate, score, compare, ...`.

Each function does what the command of the same name does, raises LymphoscopeError where the command prints an error,
and returns an object instead of printing it. Cells are given as on the command line (a path, or `cnmc:PATH`,
`folders:PATH`, `table:PATH`), as a DataFrame with the columns of a manifest, or as a `Manifest`.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, TypeAlias

from lymphoscope.errors import LymphoscopeError
from lymphoscope.vocabulary import ErasePolicy

if TYPE_CHECKING:
    import pandas as pd

    from lymphoscope.data import AuditReport, Manifest
    from lymphoscope.evaluation import Metrics, PredictionComparison
    from lymphoscope.runs import EvaluationOptions, RunFolder, StressTests

    Cells: TypeAlias = str | Path | pd.DataFrame | Manifest
    Predictions: TypeAlias = str | Path | pd.DataFrame

DEFAULT_RECIPE = "transfer"
Part: TypeAlias = Literal["all", "train", "validation", "test"]
StressTest: TypeAlias = Literal["corruptions", "saliency"]


def train(
    data: "Cells | None",
    out: str | Path,
    *,
    recipe: str = DEFAULT_RECIPE,
    overrides: Iterable[str] = (),
    folds: int = 0,
    final: bool = False,
    resume: bool = False,
    allow_leak: bool = False,
    subject_pattern: str | None = None,
) -> "Metrics | None":
    """Train a model, evaluate it on held-out subjects and write everything to the folder `out`.

    `recipe` is the name of a recipe or a YAML file, `overrides` are changes such as "optimisation.epochs=20". With
    `folds` the run is a cross-validation; `final` adds a model trained on all cells. `resume` continues the run in
    `out` as it was planned; other arguments are then ignored, and named on standard error. Returns the metrics of the
    held-out cells, or None if there are none.

    Raises LymphoscopeError for an invalid recipe, data that cannot be read or split, and train/test leakage.
    """
    from lymphoscope.extras import require
    from lymphoscope.runs import RunFolder, begin_run, finish_run

    require("train", "training")
    folder = RunFolder(Path(out))
    with folder.locked():
        if resume:
            given = {
                "--data": data is not None,
                "--config": recipe != DEFAULT_RECIPE,
                "--set": bool(tuple(overrides)),
                "--folds": folds > 0,
                "--final": final,
                "--allow-leak": allow_leak,
                "--subject-pattern": subject_pattern is not None,
            }
            return finish_run(folder, ignored_options=[option for option, is_given in given.items() if is_given])
        cells = data if data is None or isinstance(data, str | Path) else _manifest(data, subject_pattern)
        begin_run(
            folder, cells, recipe, overrides, folds, final=final, allow_leak=allow_leak, subject_pattern=subject_pattern
        )
        return finish_run(folder)


def evaluate(
    model: str | Path,
    data: "Cells | None" = None,
    *,
    out: str | Path | None = None,
    part: Part | None = None,
    allow_leak: bool = False,
    show_leak: bool = False,
    erase: ErasePolicy = "always",
    device: str = "auto",
    replicates: int = 2000,
    blast_threshold: float = 20.0,
    subject_pattern: str | None = None,
) -> "Metrics":
    """Evaluate a model on labelled cells; write predictions, metrics and the report to `out` if it is given.

    `model` is a model folder, the name of a model that ships, or the run folder of a cross-validation. In the last case
    each fold's model is evaluated on its own held-out cells, and no data are given. Raises LymphoscopeError for labels
    that the model does not know, and for train/test leakage unless `allow_leak` or `show_leak`.
    """
    from lymphoscope.runs import EvaluationOptions, StressTests

    return _evaluate(
        model, data, out, StressTests(), EvaluationOptions(replicates, blast_threshold),
        part=part, allow_leak=allow_leak, show_leak=show_leak, erase=erase, device=device,
        subject_pattern=subject_pattern,
    )  # fmt: skip


def stress(
    model: str | Path,
    data: "Cells | None" = None,
    *,
    out: str | Path | None = None,
    tests: Sequence[StressTest] = ("corruptions", "saliency"),
    max_cells: int | None = None,
    part: Part | None = None,
    allow_leak: bool = False,
    erase: ErasePolicy = "always",
    device: str = "auto",
    replicates: int = 2000,
    blast_threshold: float = 20.0,
    subject_pattern: str | None = None,
) -> "Metrics":
    """Evaluate a model as `evaluate` does, and test it under image corruptions and test its saliency maps.

    `max_cells` limits the cells of the corruption test. The results are in the returned metrics. Raises
    LymphoscopeError as `evaluate` does, and for saliency tests without PyTorch.
    """
    from lymphoscope.extras import require
    from lymphoscope.runs import EvaluationOptions, StressTests

    if "saliency" in tests:
        require("train", "the saliency test (leave it out with --only corruptions)")
    wanted = StressTests("corruptions" in tests, "saliency" in tests, max_cells)
    return _evaluate(
        model, data, out, wanted, EvaluationOptions(replicates, blast_threshold),
        part=part, allow_leak=allow_leak, show_leak=False, erase=erase, device=device,
        subject_pattern=subject_pattern,
    )  # fmt: skip


def score(
    predictions: str | Path,
    data: "Cells | None" = None,
    *,
    out: str | Path | None = None,
    part: Part | None = None,
    blast_class: str | None = None,
    held_out: bool = False,
    replicates: int = 2000,
    blast_threshold: float = 20.0,
    subject_pattern: str | None = None,
) -> "Metrics":
    """Compute the metrics of a table of predictions, without a model; write the report to `out` if it is given.

    Labels and subjects are those of the table, or those of `data`, joined by path. `held_out` states that the model was
    not trained on any of these subjects. Raises LymphoscopeError for a file that is not a table of predictions, and
    for data of other cells.
    """
    from lymphoscope.runs import EvaluationOptions, score_predictions

    cells = None if data is None else _manifest(data, subject_pattern)
    with _run_folder(out) as folder:
        return score_predictions(
            Path(predictions),
            folder,
            data=cells,
            part=part,
            blast_class=blast_class,
            held_out=held_out,
            options=EvaluationOptions(replicates, blast_threshold),
        )


def compare(first: "Predictions", second: "Predictions", *, blast_class: str | None = None) -> "PredictionComparison":
    """Compare two tables of predictions of the same cells, matched by path: differences with intervals, and tests.

    Raises LymphoscopeError for tables that share no labelled cell.
    """
    from lymphoscope.evaluation import compare_predictions

    return compare_predictions(_predictions(first), _predictions(second), blast_class=blast_class)


def audit(
    data: "Cells", *, expected_size: tuple[int, int] | None = None, subject_pattern: str | None = None
) -> "AuditReport":
    """Check cells: unreadable files, wrong sizes, duplicates, and leaks between subjects and parts of a split.

    `expected_size` is (width, height) in pixels.
    """
    from lymphoscope.data import audit_manifest

    return audit_manifest(_manifest(data, subject_pattern), expected_size=expected_size)


def split(
    data: "Cells",
    *,
    by: Literal["subject", "random"] = "subject",
    test: float = 0.2,
    validation: float = 0.15,
    folds: int | None = None,
    seed: int = 0,
    subject_pattern: str | None = None,
) -> "Manifest":
    """Return the cells with a column `split` (train, validation, test); with `folds` also a column `fold`.

    `test` is a share of all cells, `validation` a share of the rest. Subjects who share a cell stay together.
    Raises LymphoscopeError if there are too few subjects of a class.
    """
    from lymphoscope.data import split_folds, split_holdout

    cells = _manifest(data, subject_pattern)
    if folds is not None:
        return split_folds(cells, folds, validation=validation, by=by, seed=seed)[0]
    return split_holdout(cells, test=test, validation=validation, by=by, seed=seed)


def _evaluate(
    model: str | Path,
    data: "Cells | None",
    out: str | Path | None,
    stress: "StressTests",
    options: "EvaluationOptions",
    *,
    part: Part | None,
    allow_leak: bool,
    show_leak: bool,
    erase: ErasePolicy,
    device: str,
    subject_pattern: str | None,
) -> "Metrics":
    from lymphoscope.model_file import resolve_model
    from lymphoscope.runs import RunFolder, count_folds, evaluate_folds, evaluate_model

    if count_folds(RunFolder(Path(model))):
        _refuse_for_folds(
            data=data, part=part, allow_leak=allow_leak, show_leak=show_leak, erase=erase != "always",
            device=device != "auto", subject_pattern=subject_pattern,
        )  # fmt: skip
        with _run_folder(out) as folder:
            return evaluate_folds(RunFolder(Path(model)), folder, stress=stress, options=options)
    if data is None:
        raise LymphoscopeError(f"{model}: add the labelled cells with --data")
    from lymphoscope.inference import load
    from lymphoscope.runs import part_to_evaluate, training_cells_of_model

    cells, resolved = _manifest(data, subject_pattern), resolve_model(model)
    # Grad-CAM needs gradients, which only torch has.
    loaded = load(resolved, device=device, erase=erase, runtime="torch" if stress.saliency else "auto")
    with _run_folder(out) as folder:
        return evaluate_model(
            loaded,
            cells,
            folder,
            "Evaluation",
            training_cells=training_cells_of_model(resolved, loaded.description),
            allow_leak=allow_leak,
            show_leak=show_leak,
            stress=stress,
            part=part_to_evaluate(cells, part),
            options=options,
        )


def _refuse_for_folds(**given: object) -> None:
    names = sorted(f"--{name.replace('_', '-')}" for name, value in given.items() if value)
    if names:
        raise LymphoscopeError(
            f"{', '.join(names)}: not for a cross-validation, which has its own held-out cells: leave this out"
        )


@contextmanager
def _run_folder(out: str | Path | None) -> "Iterator[RunFolder]":
    """Yield the folder to write to; without `out` a temporary one."""
    from lymphoscope.runs import RunFolder

    if out is not None:
        with RunFolder(Path(out)).locked():
            yield RunFolder(Path(out))
        return
    with TemporaryDirectory(prefix="lymphoscope-") as temporary:
        yield RunFolder(Path(temporary))


def _manifest(data: "Cells", subject_pattern: str | None) -> "Manifest":
    from lymphoscope.data import Manifest, manifest_from_table, read_source

    if isinstance(data, str | Path):
        return read_source(str(data), subject_pattern=subject_pattern)
    if subject_pattern is not None:
        raise LymphoscopeError("subject_pattern is for folders of images: leave it out, and give a column `subject`")
    if isinstance(data, Manifest):
        return data
    return manifest_from_table(data, folder=Path.cwd())


def _predictions(table: "Predictions") -> "pd.DataFrame":
    from lymphoscope.evaluation import read_predictions

    return read_predictions(Path(table)) if isinstance(table, str | Path) else table
