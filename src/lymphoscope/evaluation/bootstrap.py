"""One set of bootstrap samples per table, from which every number of the table gets its interval."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation.estimates import Bootstrap, Estimate, Scale
from lymphoscope.evaluation.intervals import LEVEL, Exceptional, estimate_from_replicates, small_sample
from lymphoscope.evaluation.metrics import FEW_UNITS, UNDEFINED
from lymphoscope.evaluation.outcomes import Floats, Indices, Mask, Outcomes, Weights
from lymphoscope.evaluation.units import Units, leave_one_out_weights, replicate_weights, units_of
from lymphoscope.vocabulary import GROUP_COLUMN

# With more units in a stratum its degrees of freedom no longer matter, and leaving out each of them takes long.
_MANY = 200

Compute = Callable[[Weights], Mapping[str, Floats]]


@dataclass(frozen=True)
class MetricSpec:
    """What the interval of a number needs.

    The cells (N,) it depends on, or their weights; its scale; why it is undefined; its value on an exceptional unit, or
    its values where a share of the units is exceptional (see `estimate_from_replicates`); whether it is a mean over
    classes; whether its interval is two-sided.
    """

    depends_on: Mask | Floats
    scale: Scale = "share"
    undefined: str | None = None
    worst: float | None = None
    exceptional: Exceptional | None = None
    is_mean_over_classes: bool = False
    two_sided: bool = False


@dataclass(frozen=True)
class MetricGroup:
    """Numbers computed together: `compute` takes R weightings of the table's cells and returns (R,) for each."""

    compute: Compute
    specs: Mapping[str, MetricSpec]

    def remembered(self) -> "MetricGroup":
        """Return the group that computes its numbers once where several groups of one `estimate` need them."""
        last: tuple[Weights, Mapping[str, Floats]] | None = None

        def compute(weights: Weights) -> Mapping[str, Floats]:
            nonlocal last
            if last is None or last[0] is not weights:
                last = weights, self.compute(weights)
            return last[1]

        return MetricGroup(compute, self.specs)


@dataclass(frozen=True)
class BootstrapSamples:
    """The bootstrap samples of a table of N cells.

    `bootstrap` states how they were drawn, `classes` names the class indices of the cells.
    """

    units: Units
    classes: tuple[str, ...]
    bootstrap: Bootstrap

    def estimate(self, groups: Mapping[str, MetricGroup]) -> dict[str, dict[str, Estimate]]:
        """Every number of every group with its interval, all from the same samples; in bounded memory."""
        computes = {name: group.compute for name, group in groups.items()}
        left_out = np.flatnonzero(np.bincount(self.units.stratum, minlength=1)[self.units.stratum] <= _MANY)
        values = _computed(computes, self.units.of_cell, [np.ones((1, self.units.number))])
        resampled = _computed(computes, self.units.of_cell, self._weightings(left_out))
        return {
            name: {
                key: self._estimate(spec, left_out, values[name][key], resampled[name][key])
                for key, spec in group.specs.items()
            }
            for name, group in groups.items()
        }

    def _weightings(self, left_out: Indices) -> Iterator[Floats]:
        """Chunks (r, U): every unit of `left_out` left out in turn, then the replicates."""
        chunks = chain(
            leave_one_out_weights(self.units.stratum, left_out),
            replicate_weights(self.units.stratum, self.bootstrap.replicates, self.bootstrap.seed),
        )
        # What a group computes from the cells is computed once per chunk.
        return iter([np.concatenate(list(chunks))]) if self.units.number <= FEW_UNITS else chunks

    def _estimate(self, spec: MetricSpec, left_out: Indices, values: Floats, resampled: Floats) -> Estimate:
        if spec.undefined:
            return Estimate(value=None, reason=spec.undefined)
        value = float(values[0])
        if np.isnan(value):
            return Estimate(value=None, reason=UNDEFINED)
        weights = spec.depends_on.astype(np.float64)
        if reason := self._too_few(weights > 0):
            return Estimate(value=value, reason=reason)
        without, replicas = np.split(resampled, [len(left_out)])
        defined = replicas[~np.isnan(replicas)]
        spread = float(defined.std()) if len(defined) else 0.0
        sample = small_sample(
            self.units, weights, left_out, without, spread, is_mean_over_classes=spec.is_mean_over_classes
        )
        return estimate_from_replicates(
            value, replicas, sample, spec.scale, spec.worst, spec.exceptional, two_sided=spec.two_sided
        )

    def _too_few(self, cells: Mask) -> str | None:
        """Why units with some of these `cells` (N,) show no spread: all are in one, or one is alone in its stratum."""
        unit, used = self.bootstrap.unit, np.flatnonzero(np.bincount(self.units.of_cell[cells]))
        alone = used[np.bincount(self.units.stratum)[self.units.stratum[used]] == 1]
        if len(used) > 1 and len(alone) == 0:
            return None
        labels = np.unique(self.units.class_of_cell[cells & (self.units.of_cell == (alone if len(alone) else used)[0])])
        of_class = f" of class {self.classes[labels[0]]}" if len(labels) == 1 else ""
        return f"only one {unit}{of_class}, an interval over {unit}s needs two"


def draw_bootstrap_samples(rows: pd.DataFrame, outcomes: Outcomes, *, replicates: int, seed: int) -> BootstrapSamples:
    """Draw subjects where every cell has one, else cells. Raises LymphoscopeError as `unit_names` does."""
    units = units_of(unit_names(rows), outcomes.truth, len(outcomes.classes))
    without = int(rows["subject"].isna().sum())
    note = (
        f"{without} of {len(rows)} cells have no subject, so cells were drawn as if they were independent: "
        "the intervals are likely too narrow"
    )
    bootstrap = Bootstrap(
        unit="cell" if without or rows.empty else "subject",
        units=units.number,
        linked_subjects=None if without else linked_subjects(rows),
        replicates=replicates,
        seed=seed,
        level=LEVEL,
        note=note if without else None,
    )
    return BootstrapSamples(units, outcomes.classes, bootstrap)


def unit_names(rows: pd.DataFrame) -> NDArray[np.object_]:
    """The unit of each cell (N,): its group of subjects who share a cell, without the column `group` its subject.

    Where any cell has no subject, each cell is its own unit. Raises LymphoscopeError for a subject of two groups.
    """
    subjects = rows["subject"]
    if subjects.isna().any():
        return np.arange(len(rows)).astype(object)
    if GROUP_COLUMN not in rows:
        return subjects.to_numpy(object)
    groups = rows[GROUP_COLUMN].where(rows[GROUP_COLUMN].notna(), subjects)
    of_subject = groups.groupby(subjects).nunique()
    if (of_subject > 1).any():
        subject = of_subject.idxmax()
        names = " and ".join(sorted(groups[subjects == subject].unique())[:2])
        raise LymphoscopeError(f"subject {subject} is in the groups {names}: a group consists of whole subjects")
    return groups.to_numpy(object)


def linked_subjects(rows: pd.DataFrame) -> list[list[str]] | None:
    """The subjects of each group of several; None without the column `group`."""
    if GROUP_COLUMN not in rows or rows[GROUP_COLUMN].isna().all():
        return None
    members = rows["subject"].groupby(unit_names(rows)).unique()
    return sorted(sorted(map(str, subjects)) for subjects in members if len(subjects) > 1)


def _computed(
    computes: Mapping[str, Compute], unit_of_cell: Indices, chunks: Iterable[Floats]
) -> dict[str, dict[str, Floats]]:
    """Name -> key -> (R,) values, from chunks of R weightings in all; each chunk is used by every computation."""
    parts: dict[str, dict[str, list[Floats]]] = {name: {} for name in computes}
    for chunk in chunks:
        weights = Weights(chunk, unit_of_cell)
        for name, compute in computes.items():
            for key, values in compute(weights).items():
                parts[name].setdefault(key, []).append(values)
    joined = {name: {key: np.concatenate(pieces) for key, pieces in by_key.items()} for name, by_key in parts.items()}
    return {name: defaultdict(lambda: np.zeros(0), by_key) for name, by_key in joined.items()}
