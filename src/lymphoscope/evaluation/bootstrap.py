"""One set of bootstrap draws for a table, from which every number on it gets its interval."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.evaluation.estimates import Bootstrap, Estimate
from lymphoscope.evaluation.intervals import (
    LEVEL,
    Interval,
    Scale,
    Units,
    degrees_of_freedom,
    interval_of,
    leave_one_out_weights,
    replicate_weights,
    units_of,
)
from lymphoscope.evaluation.metrics import Floats, Indices, Outcomes

# Above so many units of a class its degrees of freedom no longer matter, and leaving out each in turn takes long.
_MANY = 200

Compute = Callable[[Floats], Mapping[str, Floats]]


@dataclass(frozen=True)
class MetricSpec:
    """A number to be measured: the cells (N,) that it rests on, where it can lie, or why it has no value."""

    rests_on: NDArray[np.bool_]
    scale: Scale = "share"
    undefined: str | None = None


@dataclass(frozen=True)
class MetricGroup:
    """Numbers that are computed together: `compute` takes weights (R, N) of the table's cells and gives (R,) each."""

    compute: Compute
    quantities: Mapping[str, MetricSpec]


@dataclass(frozen=True)
class IntervalEstimate:
    """A value and its interval; the value is None where `interval.reason` says why."""

    value: float | None
    interval: Interval

    @property
    def measured(self) -> Estimate:
        """As metrics.json holds a number."""
        return Estimate(value=self.value, low=self.interval.low, high=self.interval.high, reason=self.interval.reason)


@dataclass(frozen=True)
class BootstrapSamples:
    """The draws of one table of N cells. `described` says how they were made, `classes` names the units' classes."""

    units: Units
    classes: tuple[str, ...]
    described: Bootstrap

    def answer(self, questions: Mapping[str, MetricGroup]) -> dict[str, dict[str, IntervalEstimate]]:
        """Every number of every question, with its interval over the same draws; in bounded memory."""
        computes = {name: question.compute for name, question in questions.items()}
        left_out = np.flatnonzero(np.bincount(self.units.kind, minlength=1)[self.units.kind] <= _MANY)
        weightings = (
            [np.ones((1, len(self.units.of_cell)))],
            leave_one_out_weights(self.units, left_out),
            replicate_weights(self.units, self.described.replicates, self.described.seed),
        )
        computed = [_computed(computes, weights) for weights in weightings]
        return {
            name: {
                key: self._answer(quantity, left_out, *(found[name].get(key, np.zeros(0)) for found in computed))
                for key, quantity in question.quantities.items()
            }
            for name, question in questions.items()
        }

    def _answer(
        self, quantity: MetricSpec, left_out: Indices, value: Floats, without: Floats, replicas: Floats
    ) -> IntervalEstimate:
        if quantity.undefined:
            return IntervalEstimate(None, Interval(None, None, quantity.undefined))
        found = float(value[0])
        used = np.zeros(len(self.units.kind), dtype=bool)
        used[self.units.of_cell[quantity.rests_on]] = True
        if reason := self._too_few(used):
            return IntervalEstimate(found, Interval(None, None, reason))
        known = replicas[~np.isnan(replicas)]
        spread = float(known.std()) if len(known) else 0.0
        degrees = degrees_of_freedom(self.units, used, left_out, without, spread)
        smallest = int(np.unique(self.units.kind[used], return_counts=True)[1].min())
        return IntervalEstimate(found, interval_of(found, replicas, degrees, smallest, quantity.scale))

    def _too_few(self, used: NDArray[np.bool_]) -> str | None:
        """Drawing a single unit again and again shows no spread."""
        unit = self.described.unit
        for kind, number in zip(*np.unique(self.units.kind[used], return_counts=True), strict=True):
            if number < 2:
                return f"only one {unit} of class {self.classes[kind]}, an interval over {unit}s needs two"
        return None


def draw_bootstrap_samples(rows: pd.DataFrame, outcomes: Outcomes, *, replicates: int, seed: int) -> BootstrapSamples:
    """The draws of evaluated cells: over subjects where every cell has one, else over cells."""
    without = int(rows["subject"].isna().sum())
    note = (
        f"{without} of {len(rows)} cells have no subject, so cells were drawn as if they were independent: "
        "the intervals are likely too narrow"
    )
    described = Bootstrap(
        unit="cell" if without or rows.empty else "subject",
        replicates=replicates,
        seed=seed,
        level=LEVEL,
        note=note if without else None,
    )
    return BootstrapSamples(units_of(unit_names(rows), outcomes), outcomes.classes, described)


def unit_names(rows: pd.DataFrame) -> NDArray[np.object_]:
    """The subject of each cell (N,), or where any has none a name for every cell."""
    subjects = rows["subject"]
    return np.arange(len(rows)).astype(object) if subjects.isna().any() else subjects.to_numpy(object)


def _computed(computes: Mapping[str, Compute], chunks: Iterable[Floats]) -> dict[str, dict[str, Floats]]:
    """Name -> key -> (R,), of chunks of R weightings in all; a chunk serves every computation."""
    parts: dict[str, dict[str, list[Floats]]] = {name: {} for name in computes}
    for weights in chunks:
        for name, compute in computes.items():
            for key, values in compute(weights).items():
                parts[name].setdefault(key, []).append(values)
    return {name: {key: np.concatenate(pieces) for key, pieces in of_name.items()} for name, of_name in parts.items()}
