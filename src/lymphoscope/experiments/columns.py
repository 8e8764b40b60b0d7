"""The columns of a grid's table: what each is called, and how a run's folder tells its number."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

import pandas as pd

from lymphoscope.evaluation import METRICS, Metrics
from lymphoscope.experiments.grid import GridRun
from lymphoscope.experiments.result import Column, Number
from lymphoscope.runs import read_metrics

if TYPE_CHECKING:
    from lymphoscope.training import StepTime

PHASE_1_CELLS = 10_661
_MILLION, _BILLION = 1e6, 1e9


@dataclass(frozen=True)
class Finished:
    """A run of a grid that is done: where its numbers are read from."""

    run: GridRun
    classes: int

    @cached_property
    def metrics(self) -> Metrics | None:
        """Of the held-out cells of all folds together; None where none had a label."""
        path = self.run.folder.metrics
        return read_metrics(path) if path.is_file() else None

    @cached_property
    def of_folds(self) -> list[Metrics]:
        """Of each fold by itself."""
        return [read_metrics(part / "metrics.json") for part in self.run.parts() if (part / "metrics.json").is_file()]

    @cached_property
    def curves(self) -> pd.DataFrame:
        """A row an epoch of every training."""
        return pd.concat([pd.read_csv(part / "metrics.csv") for part in self.run.parts()])

    @cached_property
    def errors(self) -> pd.DataFrame | None:
        """Training and test error by epoch, where the recipe asked for it."""
        path = self.run.folder.path / "errors.csv"
        return pd.read_csv(path) if path.is_file() else None

    @cached_property
    def step(self) -> "StepTime":
        """A training step of this recipe, measured on this machine."""
        from lymphoscope.training import measure_step

        return measure_step(self.run.recipe, self.classes)

    @cached_property
    def size(self) -> dict[str, int]:
        """Exact parameters and multiply-adds."""
        from lymphoscope.experiments.table3 import sizes

        return sizes(self.run.recipe.architecture(), self.classes)


Reader = Callable[[Finished], Number]


def column(key: str) -> Column:
    """What a column is called and shown in."""
    return _COLUMNS[key][0]


def number(key: str, finished: Finished) -> Number:
    """The number of a run in a column."""
    return _COLUMNS[key][1](finished)


def percent(value: float | None) -> float | None:
    """A share 0-1 in the paper's unit."""
    return None if value is None else 100 * value


def _metric(name: str) -> Reader:
    def read(finished: Finished) -> Number:
        if finished.metrics is None:
            return Number(value=None, reason="the test cells have no labels here")
        found = finished.metrics.vote[name]
        low, high = percent(found.low), percent(found.high)
        return Number(value=percent(found.value), low=low, high=high, reason=found.reason)

    return read


def _over_folds(finished: Finished) -> Number:
    values = [each.vote["weighted_f1"].value for each in finished.of_folds]
    scores = [100 * value for value in values if value is not None]
    if len(scores) < 2:
        return Number(value=None, reason="no folds")
    return Number(value=fmean(scores), spread=stdev(scores))


def _size(key: str, unit: float) -> Reader:
    return lambda finished: Number(value=finished.size[key] / unit)


def _epoch_minutes(finished: Finished) -> Number:
    return Number(value=float(finished.curves["seconds"].median()) / 60, reason="the median of the epochs here")


def _step_minutes(which: str) -> Reader:
    def read(finished: Finished) -> Number:
        steps = PHASE_1_CELLS // finished.run.recipe.optimisation.batch_size
        return Number(value=getattr(finished.step, which) * steps / 60, reason="from the median of three steps")

    return read


def _error(column_name: str, how: str) -> Reader:
    def read(finished: Finished) -> Number:
        errors = finished.errors
        if errors is None:
            return Number(value=None, reason="the recipe kept no error curves")
        lowest = 100 * float(getattr(errors[column_name], how)())
        return Number(value=lowest, reason="the lowest of the epochs, not one estimate")

    return read


def _test_error(finished: Finished) -> Number:
    accuracy = _metric("accuracy")(finished)
    values = [None if end is None else 100 - end for end in (accuracy.value, accuracy.high, accuracy.low)]
    return Number(value=values[0], low=values[1], high=values[2], reason=accuracy.reason)


def _test_cells(finished: Finished) -> Number:
    evaluated = None if finished.metrics is None else float(finished.metrics.evaluated)
    return Number(value=evaluated, reason=None if evaluated else "the test cells have no labels here")


def _named(key: str, title: str, unit: Any, reader: Reader, digits: int = 2) -> tuple[str, tuple[Column, Reader]]:
    return key, (Column(key=key, title=title, unit=unit, digits=digits), reader)


_COLUMNS: dict[str, tuple[Column, Reader]] = dict(
    [
        *(_named(name, metric.title, "%", _metric(name)) for name, metric in METRICS.items()),
        _named("fold_weighted_f1", "WF1S, mean ± deviation over folds", "%", _over_folds),
        _named("parameters", "parameters", "M", _size("parameters", _MILLION)),
        _named("multiply_adds", "multiply-adds, one pass", "G", _size("multiply_adds", _BILLION)),
        _named("multiply_adds_three", "multiply-adds of a prediction", "G", _size("multiply_adds_three", _BILLION)),
        _named("epoch_minutes", "an epoch here", "min", _epoch_minutes, 3),
        _named("full_epoch_minutes", "an epoch of Phase-I, forward + backward", "min", _step_minutes("total")),
        _named("forward_minutes", "of it forward", "min", _step_minutes("forward")),
        _named("backward_minutes", "of it backward", "min", _step_minutes("backward")),
        _named("lowest_test_error", "lowest test error", "%", _error("test_error", "min")),
        _named("lowest_train_error", "lowest training error", "%", _error("train_error", "min")),
        _named("test_error", "test error of the epoch kept", "%", _test_error),
        _named("test_cells", "test cells", "", _test_cells, 0),
    ]
)
