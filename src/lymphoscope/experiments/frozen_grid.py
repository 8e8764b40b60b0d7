"""Grids whose runs are heads on one frozen backbone: many seeds in the time of a few trainings.

Every fold and seed of a run is trained together (`training.frozen_heads`). A run's folder holds the predictions of its
held-out cells and no model. Runs that change only how another run is tested reuse its predictions.
"""

import time
import warnings
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lymphoscope.data import Manifest, split_folds
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import as_predictions, classes_of, read_predictions, write_predictions
from lymphoscope.experiments.execution import ENDED_FILE
from lymphoscope.experiments.grid import GridRun
from lymphoscope.extras import installed
from lymphoscope.files import write_json
from lymphoscope.method.numpy import combine_streams
from lymphoscope.vocabulary import SCORE_PREFIX, STREAMS, Stream

if TYPE_CHECKING:
    import torch

    from lymphoscope.training import Recipe
    from lymphoscope.training.frozen_heads import FrozenCells, HeadTask

VIEWS = 8
"""Augmented views of each cell, whose features are computed once."""
SEEDS_AT_ONCE = 10


def execute_frozen(runs: Sequence[GridRun], manifest: Manifest, report: Callable[[str], None]) -> None:
    """Train and predict the runs that have no predictions yet; `report` is called with a line per step.

    Raises LymphoscopeError for a recipe without a frozen backbone.
    """
    labelled = manifest.with_table(manifest.table[manifest.table["label"].notna()].reset_index(drop=True))
    trained = [run for run in runs if not run.tests and not run.folder.predictions.is_file()]
    # Runs with the same augmentation use the same views; those without one come first.
    for _, group in groupby(sorted(trained, key=_views_key), key=_views_key):
        _train_group(list(group), labelled, report)
    sources = {(run.name, run.seed_number): run for run in runs}
    for run in runs:
        if run.tests and not run.folder.predictions.is_file():
            _decide_again(run, sources[run.tests, run.seed_number])


def _views_key(run: GridRun) -> tuple[bool, str, str]:
    recipe = run.recipe
    features = f"{recipe.model.backbone} {recipe.model.features} {recipe.data.model_dump()}"
    return recipe.comparison != "none", recipe.comparison, features


def _train_group(runs: Sequence[GridRun], manifest: Manifest, report: Callable[[str], None]) -> None:
    started = time.monotonic()
    cells = _frozen_cells(runs[0].recipe, manifest)
    report(f"{len(manifest)} cells in {VIEWS} views: {time.monotonic() - started:.0f} s")
    for name in dict.fromkeys(run.name for run in runs):
        of_name = [run for run in runs if run.name == name]
        for start in range(0, len(of_name), SEEDS_AT_ONCE):
            _train(of_name[start : start + SEEDS_AT_ONCE], cells, manifest, report)


def _frozen_cells(recipe: "Recipe", manifest: Manifest) -> "FrozenCells":
    import torch

    from lymphoscope.training.batches import load_cells, resolve_preparation
    from lymphoscope.training.frozen_heads import FrozenCells
    from lymphoscope.training.hardware import resolve_device

    every = manifest.with_table(manifest.table.assign(split="train"))
    loaded = load_cells(every, "train", recipe, resolve_preparation(recipe, every))
    device = torch.device(resolve_device(recipe.hardware))
    return FrozenCells(loaded, recipe, frozen_extractor(recipe, len(manifest.classes), device), VIEWS, device)


def frozen_extractor(recipe: "Recipe", num_classes: int, device: "torch.device") -> Callable[[Any], Any]:
    """The backbone of a recipe as a function of normalised images; by OpenVINO on a processor, where it is installed.

    Raises LymphoscopeError for a recipe that does not freeze its backbone.
    """
    import torch

    from lymphoscope.training.initial_network import build_initial_network

    if not recipe.model.freeze:
        raise LymphoscopeError(f"{recipe.name}: set model.freeze to true, only heads are trained here")
    backbone = build_initial_network(recipe, num_classes).get_submodule("backbone").eval().to(device)
    if device.type == "cpu" and installed("openvino"):
        return _openvino_extractor(backbone, recipe.data.size)

    def extract(images: "torch.Tensor") -> "torch.Tensor":
        with torch.no_grad():
            features: torch.Tensor = backbone(images.contiguous(memory_format=torch.channels_last))
        return features.contiguous()

    return extract


def _openvino_extractor(backbone: Any, size: int) -> Callable[[Any], Any]:
    import openvino
    import torch

    shape = [-1, 3, size, size]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it traces with torch.jit, which is deprecated
        model = openvino.convert_model(backbone, example_input=torch.zeros(1, 3, size, size), input=shape)
    options = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()
    return lambda images: torch.from_numpy(request.infer([images.contiguous().numpy()])[0].copy())


def _train(runs: Sequence[GridRun], cells: "FrozenCells", manifest: Manifest, report: Callable[[str], None]) -> None:
    """Train one run of the table with several seeds at once."""
    from lymphoscope.training.frozen_heads import predict_heads, train_heads

    started, recipe = time.monotonic(), runs[0].recipe
    tasks = [_fold_tasks(run, manifest, cells.cells.rows) for run in runs]
    together = [task for of_run in tasks for task in of_run]
    heads = train_heads(cells, together, recipe, len(manifest.classes), runs[0].definition.trained_streams)
    streams = recipe.test_time.streams if recipe.streams == "ternary" else ("raw",)
    probabilities = iter(predict_heads(heads, cells, together, recipe, streams))
    seconds = (time.monotonic() - started) / len(runs)
    for run, of_run in zip(runs, tasks, strict=True):
        joined = np.full((len(STREAMS), len(manifest), len(manifest.classes)), np.nan, dtype=np.float32)
        for task in of_run:
            joined[:, np.asarray(cells.cells.rows)[task.test]] = next(probabilities).cpu().numpy()
        _write(run, manifest, joined, seconds)
    report(f"{runs[0].name}: {len(runs)} seeds of {len(tasks[0])} folds in {time.monotonic() - started:.0f} s")


def _fold_tasks(run: GridRun, manifest: Manifest, rows: Sequence[int]) -> list["HeadTask"]:
    """One task per fold; folds differ between seeds. `rows` are the readable cells, which tasks index."""
    from lymphoscope.training.frozen_heads import HeadTask

    recipe = run.recipe
    tasks = []
    for number, fold in enumerate(split_folds(manifest, run.folds, validation=0.0, seed=recipe.seed)):
        part_of = dict(zip(fold.table["path"], fold.table["split"], strict=True))
        part = manifest.table["path"].iloc[list(rows)].map(part_of).to_numpy(object)
        train, test = (np.flatnonzero(part == name) for name in ("train", "test"))
        tasks.append(HeadTask(train, test, recipe.seed * run.folds + number))
    return tasks


def _write(run: GridRun, manifest: Manifest, probabilities: NDArray[np.float32], seconds: float) -> None:
    """Write the predictions from probabilities (3, N, K), NaN where a stream was not used or a cell not readable."""
    recipe, classes = run.recipe, manifest.classes
    readable = ~np.isnan(probabilities[0]).any(axis=1)
    outputs = combine_streams(probabilities[:, readable], recipe.test_time.decision, None, np.zeros((0, 0), np.float32))
    table = manifest.table.loc[readable, ["path", "subject", "label"]].reset_index(drop=True)
    names = np.array(classes, dtype=object)
    columns: dict[str, Any] = {"predicted": names[outputs.labels], "agreement": outputs.agreement, "refer": False}
    for index, name in enumerate(classes):
        columns[f"{SCORE_PREFIX}{name}"] = outputs.scores[:, index]
        for stream, values in zip(STREAMS, outputs.probabilities, strict=True):
            columns[f"{stream}_{name}"] = values[:, index]
    for stream, votes in zip(STREAMS, outputs.votes, strict=True):
        columns[f"{stream}_vote"] = np.where(votes < 0, None, names[votes])
    write_predictions(as_predictions(table.assign(**columns), classes), run.folder.predictions)
    write_json(run.folder.path / ENDED_FILE, {"seconds": seconds, "reason": None})


def _decide_again(run: GridRun, source: GridRun) -> None:
    """Predictions of a run that uses other streams, or another decision, of the models of `source`."""
    table = read_predictions(source.folder.predictions)
    classes = classes_of(table)
    streams: tuple[Stream, ...] = run.recipe.test_time.streams
    probabilities = np.full((len(STREAMS), len(table), len(classes)), np.nan, dtype=np.float32)
    for index, stream in enumerate(STREAMS):
        if stream in streams:
            probabilities[index] = table[[f"{stream}_{name}" for name in classes]].to_numpy(np.float32)
    manifest = Manifest(table[["path", "subject", "label"]].copy(), "table")
    _write(run, manifest, probabilities, 0.0)
