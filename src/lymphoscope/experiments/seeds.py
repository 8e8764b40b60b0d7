"""Estimates over several seeds: what a method scores, and whether two methods differ, not two trained models.

Every seed has its own folds, initial weights and order of cells, and predicts every cell once. A number is the mean of
its values over the seeds. Two things make it uncertain, and its interval has both: the subjects (a bootstrap over
subjects, the same in every seed) and the seeds (the t interval of S values). The half-widths are added as squares, as
in the method of variance estimates recovery (Zou and Donner 2008). A p value is that of the normal distribution whose
95 % interval this is, so that p < 0.05 where the interval excludes 0. That the same subjects train all models is not
in the interval: it holds for training on subjects like these.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

import numpy as np
import pandas as pd
from scipy import special

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import Estimate, Floats, MetricGroup, Weights, difference_group, metric_group
from lymphoscope.evaluation.bootstrap import draw_bootstrap_samples
from lymphoscope.evaluation.estimates import Scale
from lymphoscope.evaluation.evaluation_set import EvaluationSet, select_evaluation_set

LEVEL = 0.95
REPLICATES = 2000
# Least and largest value of a number, by its scale. Two seeds widen an interval by 13 standard deviations.
_RANGES: Final[Mapping[Scale, tuple[float, float]]] = {"share": (0.0, 1.0), "bounded": (0.0, 1.0)}


@dataclass(frozen=True)
class SeedEstimate:
    """The mean over seeds with its 95 % interval, and the value of each seed."""

    estimate: Estimate
    values: tuple[float, ...]


def estimate_over_seeds(
    tables: Sequence[pd.DataFrame],
    blast_class: str | None,
    *,
    minus: Sequence[pd.DataFrame] | None = None,
    replicates: int = REPLICATES,
) -> dict[str, SeedEstimate]:
    """Every metric of predictions tables, one per seed, as the mean over the seeds; of a difference with `minus`.

    Tables of one seed are paired: the first of `tables` with the first of `minus`. Raises LymphoscopeError where the
    tables do not have the same cells, or `minus` has another number of seeds.
    """
    if not tables or (minus is not None and len(minus) != len(tables)):
        raise LymphoscopeError(f"{len(tables)} and {len(minus or [])} seeds: a comparison needs the same seeds of both")
    evaluated = [select_evaluation_set(table, blast_class) for table in tables]
    others = [select_evaluation_set(table, blast_class) for table in minus or []]
    _check_same_cells([*evaluated, *others])
    groups = [_group(each) for each in evaluated]
    ranges = {name: _RANGES.get(spec.scale, (-np.inf, np.inf)) for name, spec in groups[0].specs.items()}
    if others:
        ranges = {name: (low - high, high - low) for name, (low, high) in ranges.items()}
        groups = [difference_group(group, _group(other)) for group, other in zip(groups, others, strict=True)]
    samples = draw_bootstrap_samples(evaluated[0].rows, evaluated[0].outcomes, replicates=replicates, seed=0)
    over_subjects = samples.estimate({"mean": _mean_group(groups)})["mean"]
    every = Weights(np.ones((1, samples.units.number)), samples.units.of_cell)
    values = [group.compute(every) for group in groups]
    return {
        name: _with_seeds(estimate, tuple(float(each[name][0]) for each in values), ranges[name])
        for name, estimate in over_subjects.items()
    }


def _with_seeds(estimate: Estimate, values: tuple[float, ...], possible: tuple[float, float]) -> SeedEstimate:
    """Widen the interval over subjects by that of the seeds, within the `possible` values of the number."""
    if estimate.value is None or estimate.low is None or estimate.high is None or len(values) < 2:
        reason = estimate.reason or (None if len(values) > 1 else "one seed: the interval is of this trained model")
        return SeedEstimate(estimate.model_copy(update={"reason": reason}), values)
    quantile = float(special.stdtrit(len(values) - 1, (1 + LEVEL) / 2))
    of_seeds = quantile * float(np.std(values, ddof=1)) / len(values) ** 0.5
    below, above = (float(np.hypot(abs(end - estimate.value), of_seeds)) for end in (estimate.low, estimate.high))
    low, high = max(estimate.value - below, possible[0]), min(estimate.value + above, possible[1])
    p = None
    if estimate.p is not None:
        side = below if estimate.value > 0 else above
        normal = NormalDist()
        p = 2 * (1 - normal.cdf(normal.inv_cdf((1 + LEVEL) / 2) * abs(estimate.value) / side)) if side > 0 else 1.0
    return SeedEstimate(estimate.model_copy(update={"low": low, "high": high, "p": p}), values)


def _group(evaluated: EvaluationSet) -> MetricGroup:
    return metric_group(evaluated.outcomes, np.ones(len(evaluated.rows), dtype=bool))


def _mean_group(groups: Sequence[MetricGroup]) -> MetricGroup:
    def compute(weights: Weights) -> Mapping[str, Floats]:
        computed = [group.compute(weights) for group in groups]
        return {name: np.mean([each[name] for each in computed], axis=0) for name in groups[0].specs}

    specs = {name: replace(spec, worst=None, exceptional=None) for name, spec in groups[0].specs.items()}
    return MetricGroup(compute, specs)


def _check_same_cells(sets: Sequence[EvaluationSet]) -> None:
    first = sets[0].rows["path"].tolist()
    for number, other in enumerate(sets[1:], start=2):
        if other.rows["path"].tolist() != first:
            raise LymphoscopeError(
                f"table {number} has other cells than the first: compare predictions of the same cells"
            )
