"""The columns of a grid's table: the heading of each, and how its number is read from the folder of a finished run.

The metrics of an evaluation are columns by themselves, under their names. Other columns are registered below with
`@_register`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Literal

import pandas as pd

from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import METRICS, Metrics
from lymphoscope.experiments.counts import network_counts
from lymphoscope.experiments.grid import GridRun
from lymphoscope.experiments.request import Request
from lymphoscope.experiments.result import Column, Number
from lymphoscope.runs import RunFolder

if TYPE_CHECKING:
    from lymphoscope.training import StepTime

PHASE_1_CELLS = 10_661
_MILLION, _BILLION = 1e6, 1e9


@dataclass(frozen=True)
class FinishedRun:
    """A run of a grid that is done, and the numbers in its folder."""

    run: GridRun
    num_classes: int

    @cached_property
    def metrics(self) -> Metrics | None:
        """Metrics of the held-out cells of all folds together; None if none had a label."""
        path = self.run.folder.metrics
        return self.run.folder.read_metrics() if path.is_file() else None

    @cached_property
    def metrics_per_fold(self) -> list[Metrics]:
        """Metrics of each fold by itself."""
        folds = [RunFolder(part) for part in self.run.parts()]
        return [fold.read_metrics() for fold in folds if fold.metrics.is_file()]

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row per epoch of every training."""
        return pd.concat([pd.read_csv(part / "metrics.csv") for part in self.run.parts()])

    @cached_property
    def error_curves(self) -> pd.DataFrame | None:
        """Training and test error by epoch, if the recipe asked for it."""
        path = self.run.folder.path / "errors.csv"
        return pd.read_csv(path) if path.is_file() else None

    @cached_property
    def step_time(self) -> "StepTime":
        """Time of a training step of this recipe, measured on this machine."""
        from lymphoscope.training import measure_step

        return measure_step(self.run.recipe, self.num_classes)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Exact parameters and multiply-adds."""
        return network_counts(self.run.recipe.architecture(), self.num_classes)


@dataclass(frozen=True)
class FinishedGrid:
    """What was finished of a grid: the request, its cells, and the finished runs by name, of the first seed."""

    request: Request
    manifest: Manifest
    runs: Mapping[str, FinishedRun]


Reader = Callable[[FinishedRun], Number]
Unit = Literal["%", "M", "G", "min", "s", ""]

COLUMNS: dict[str, tuple[Column, Reader]] = {}
"""Every column that is not a metric, by key."""


def column(key: str) -> Column:
    """The column of a key. Raises LymphoscopeError for an unknown one."""
    if key in METRICS:
        return Column(key=key, title=METRICS[key].title, unit="%")
    if key not in COLUMNS:
        raise LymphoscopeError(f"no column {key!r}: the columns are {', '.join([*METRICS, *COLUMNS])}")
    return COLUMNS[key][0]


def read_number(key: str, finished: FinishedRun) -> Number:
    """The number of a finished run in a column."""
    return _metric(key, finished) if key in METRICS else COLUMNS[key][1](finished)


def percent(value: float | None) -> float | None:
    """A fraction 0-1 as a percentage, the paper's unit."""
    return None if value is None else 100 * value


def _metric(name: str, finished: FinishedRun) -> Number:
    if finished.metrics is None:
        return Number(value=None, reason="the test cells have no labels here")
    estimate = finished.metrics.vote[name]
    low, high = percent(estimate.low), percent(estimate.high)
    return Number(value=percent(estimate.value), low=low, high=high, reason=estimate.reason)


def _register(key: str, title: str, unit: Unit, digits: int = 2) -> Callable[[Reader], Reader]:
    def register(reader: Reader) -> Reader:
        COLUMNS[key] = (Column(key=key, title=title, unit=unit, digits=digits), reader)
        return reader

    return register


@_register("fold_weighted_f1", "WF1S, mean ± deviation over folds", "%")
def _fold_weighted_f1(finished: FinishedRun) -> Number:
    estimates = [each.vote["weighted_f1"].value for each in finished.metrics_per_fold]
    scores = [100 * value for value in estimates if value is not None]
    if len(scores) < 2:
        return Number(value=None, reason="no folds")
    return Number(value=fmean(scores), spread=stdev(scores))


@_register("parameters", "parameters", "M")
def _parameters(finished: FinishedRun) -> Number:
    return Number(value=finished.counts["parameters"] / _MILLION)


@_register("multiply_adds", "multiply-adds, one pass", "G")
def _multiply_adds(finished: FinishedRun) -> Number:
    return Number(value=finished.counts["multiply_adds"] / _BILLION)


@_register("multiply_adds_three", "multiply-adds of a prediction", "G")
def _multiply_adds_three(finished: FinishedRun) -> Number:
    return Number(value=finished.counts["multiply_adds_three"] / _BILLION)


@_register("epoch_minutes", "an epoch here", "min", 3)
def _epoch_minutes(finished: FinishedRun) -> Number:
    return Number(value=float(finished.curves["seconds"].median()) / 60, reason="the median of the epochs here")


@_register("full_epoch_minutes", "an epoch of Phase-I, forward + backward", "min")
def _full_epoch_minutes(finished: FinishedRun) -> Number:
    return _minutes_per_epoch(finished, finished.step_time.total)


@_register("forward_minutes", "of it forward", "min")
def _forward_minutes(finished: FinishedRun) -> Number:
    return _minutes_per_epoch(finished, finished.step_time.forward)


@_register("backward_minutes", "of it backward", "min")
def _backward_minutes(finished: FinishedRun) -> Number:
    return _minutes_per_epoch(finished, finished.step_time.backward)


@_register("lowest_test_error", "lowest test error", "%")
def _lowest_test_error(finished: FinishedRun) -> Number:
    return _lowest_error(finished, "test_error")


@_register("lowest_train_error", "lowest training error", "%")
def _lowest_train_error(finished: FinishedRun) -> Number:
    return _lowest_error(finished, "train_error")


@_register("test_error", "test error of the chosen epoch", "%")
def _test_error(finished: FinishedRun) -> Number:
    accuracy = _metric("accuracy", finished)
    value, low, high = (None if end is None else 100 - end for end in (accuracy.value, accuracy.high, accuracy.low))
    return Number(value=value, low=low, high=high, reason=accuracy.reason)


@_register("test_cells", "test cells", "", 0)
def _test_cells(finished: FinishedRun) -> Number:
    evaluated = None if finished.metrics is None else float(finished.metrics.evaluated)
    return Number(value=evaluated, reason=None if evaluated else "the test cells have no labels here")


def _minutes_per_epoch(finished: FinishedRun, seconds_per_step: float) -> Number:
    steps = PHASE_1_CELLS // finished.run.recipe.optimisation.batch_size
    return Number(value=seconds_per_step * steps / 60, reason="from the median of three steps")


def _lowest_error(finished: FinishedRun, name: str) -> Number:
    if finished.error_curves is None:
        return Number(value=None, reason="the recipe records no error curves")
    lowest = 100 * float(finished.error_curves[name].min())
    return Number(value=lowest, reason="the lowest of the epochs, not one estimate")
