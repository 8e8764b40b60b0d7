"""How well an uncertainty score ranks errors: the risk among the accepted cells as the most uncertain are referred.

The area is the integral of risk over coverage, 0-1 (the AURC of Geifman and El-Yaniv; their mean over the N coverages
k / N differs from it by terms of 1 / N). Cells with equal uncertainty are taken in random order, so the errors among
them rise linearly: an uninformative score has the error rate r as its area, and a score that ranks every error last
has the smallest possible, r + (1 - r) ln(1 - r).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from lymphoscope.evaluation.bootstrap import MetricGroup, MetricSpec
from lymphoscope.evaluation.estimates import Estimate
from lymphoscope.evaluation.evaluation_set import EvaluationSet
from lymphoscope.evaluation.metrics import NO_CELLS
from lymphoscope.evaluation.outcomes import Floats, Indices, Mask, Outcomes, Weights, coarse_levels, ratio
from lymphoscope.evaluation.schema import RiskCoverage, Signal
from lymphoscope.vocabulary import OOD_PREFIX

SCORE, DISAGREEMENT, DIFFERENCE = "score", "disagreement", "disagreement_minus_score"
NO_ERROR: Final = "no cell is predicted wrongly, so there is no error to rank"
ONE_STREAM: Final = "only one stream was run, so there is no disagreement"
_POINTS = 100
_MEANINGS = {
    SCORE: "1 minus the score of the predicted class",
    DISAGREEMENT: "the share of the streams that did not vote for the predicted class",
    "margin": "1 minus the gap between the score of the predicted class and the highest of the others",
    "entropy": "the entropy of the scores over the classes",
}


@dataclass(frozen=True)
class Uncertainty:
    """An uncertainty score of N cells: higher is more uncertain; NaN where it is unknown."""

    name: str
    meaning: str
    values: Floats

    @property
    def available(self) -> Mask:
        """(N,) for which cells it is known."""
        return ~np.isnan(self.values)


def risk_coverage_area(uncertainty: Floats, wrong: Mask, weights: Weights) -> Floats:
    """The area under the risk-coverage curve, (R,), NaN without cells; uncertainty (N,), wrong (N,).

    Of R > 1 weightings, which only serve an interval, cells are put into coarse levels of uncertainty.
    """
    if len(uncertainty) == 0:
        return np.full(weights.num_weightings, np.nan)
    level = np.unique(uncertainty, return_inverse=True)[1]
    if weights.num_weightings > 1:
        level = coarse_levels(level)
    accepted, errors = _cumulative(level, wrong, weights)
    before, mass = accepted[:, :-1], np.diff(accepted, axis=1)  # (R, G)
    share = np.divide(np.diff(errors, axis=1), mass, out=np.zeros_like(mass), where=mass > 0)
    # The risk at x between m and m + w is (e + (x - m) s) / x: its integral is w s + (e - m s) ln(1 + w / m).
    growth = np.log1p(np.divide(mass, before, out=np.zeros_like(mass), where=before > 0))
    return ratio(errors[:, -1] + ((errors[:, :-1] - before * share) * growth).sum(axis=1), accepted[:, -1])


def risk_coverage_curve(uncertainty: Floats, wrong: Mask) -> list[tuple[float, float]]:
    """(coverage, risk) at 100 even coverages up to 1: the share accepted, and the expected share of errors in it."""
    if len(uncertainty) == 0:
        return []
    level = np.unique(uncertainty, return_inverse=True)[1]
    corners, errors = _cumulative(level, wrong, Weights.of_cells(np.ones((1, len(uncertainty)))))
    accepted = np.linspace(0, len(uncertainty), _POINTS + 1)[1:]
    wrong_accepted = np.interp(accepted, corners[0], errors[0])
    return list(zip((accepted / len(uncertainty)).tolist(), (wrong_accepted / accepted).tolist(), strict=True))


def uncertainties_of(evaluated: EvaluationSet) -> list[Uncertainty]:
    """The uncertainty scores of a table: of the score, of the streams, and its out-of-distribution columns (`ood_`).

    With more than two classes margin and entropy too; with two they rank as the score does.
    """
    outcomes = evaluated.outcomes
    values = {SCORE: 1 - outcomes.predicted_score}
    if len(evaluated.streams) > 1:
        values[DISAGREEMENT] = 1 - evaluated.rows["agreement"].to_numpy(np.float64)
    if len(outcomes.classes) > 2:
        values |= {"margin": 1 - _margin(outcomes), "entropy": _entropy(outcomes.scores)}
    columns = [str(name) for name in evaluated.rows.columns if str(name).startswith(OOD_PREFIX)]
    values |= {name: evaluated.rows[name].to_numpy(np.float64) for name in columns}
    return [
        Uncertainty(name, _MEANINGS.get(name, f"the column {name} of the predictions"), each)
        for name, each in values.items()
    ]


def risk_coverage_group(evaluated: EvaluationSet) -> MetricGroup:
    """The area of every uncertainty score, and that of disagreement minus that of the score on the same cells."""
    by_name = {each.name: each for each in uncertainties_of(evaluated)}
    wrong = ~evaluated.outcomes.correct
    specs = {name: _spec(wrong, each.available) for name, each in by_name.items()}
    both = by_name[DISAGREEMENT].available if DISAGREEMENT in by_name else np.zeros(len(wrong), dtype=bool)
    undefined = _why_not(wrong, both) if DISAGREEMENT in by_name or not len(wrong) else ONE_STREAM
    specs[DIFFERENCE] = MetricSpec(both, "difference", undefined)

    def area(name: str, weights: Weights, cells: Mask) -> Floats:
        values = by_name[name].values[cells]
        return risk_coverage_area(values, wrong[cells], weights.at(cells))

    def compute(weights: Weights) -> dict[str, Floats]:
        areas = {name: area(name, weights, each.available) for name, each in by_name.items()}
        if DISAGREEMENT in by_name:
            areas[DIFFERENCE] = areas[DISAGREEMENT] - (areas[SCORE] if both.all() else area(SCORE, weights, both))
        return areas

    return MetricGroup(compute, specs)


def risk_coverage_section(evaluated: EvaluationSet, estimates: Mapping[str, Estimate]) -> RiskCoverage:
    """The section of metrics.json, from the estimates of `risk_coverage_group`."""
    wrong, accepted = ~evaluated.outcomes.correct, ~evaluated.referred
    signals = [
        Signal(
            name=each.name,
            meaning=each.meaning,
            cells=int(each.available.sum()),
            area=estimates[each.name],
            curve=risk_coverage_curve(each.values[each.available], wrong[each.available]),
        )
        for each in uncertainties_of(evaluated)
    ]
    difference = estimates[DIFFERENCE]
    point = (float(accepted.mean()), float(wrong[accepted].mean())) if accepted.any() else None
    return RiskCoverage(
        signals=signals, disagreement_minus_score=difference, verdict=verdict(difference), operating_point=point
    )


def verdict(difference: Estimate) -> str:
    """Whether disagreement or the score ranks errors better, in a sentence; `difference` is disagreement - score."""
    if difference.value is None or difference.low is None or difference.high is None:
        return f"It cannot be decided whether disagreement or the score ranks errors better: {difference.reason}."
    measured = f"{difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})"
    detail = f"area under risk-coverage of disagreement minus that of the score {measured}, lower is better"
    if difference.low > 0:
        return f"The score ranks errors better than the disagreement of the streams: {detail}."
    if difference.high < 0:
        return f"The disagreement of the streams ranks errors better than the score: {detail}."
    return f"These cells do not show whether disagreement or the score ranks errors better: {detail}."


def _cumulative(level: Indices, wrong: Mask, weights: Weights) -> tuple[Floats, Floats]:
    """The weight of all cells, and of the wrong ones, up to each level of uncertainty from 0; two (R, G + 1)."""
    levels = int(level.max()) + 1
    parts = (weights.sum_by_level(level, levels, values) for values in (np.ones(len(level)), wrong.astype(np.float64)))
    every, errors = (np.pad(np.cumsum(part, axis=1), ((0, 0), (1, 0))) for part in parts)
    return every, errors


def _spec(wrong: Mask, available: Mask) -> MetricSpec:
    return MetricSpec(available, "bounded", _why_not(wrong, available), worst=1.0)


def _why_not(wrong: Mask, available: Mask) -> str | None:
    if len(available) == 0:
        return NO_CELLS
    if not available.any():
        return "it is not known for any cell"
    return None if wrong[available].any() else NO_ERROR


def _margin(outcomes: Outcomes) -> Floats:
    others = outcomes.scores.copy()
    others[np.arange(len(others)), outcomes.predicted] = -np.inf
    return np.asarray(outcomes.predicted_score - others.max(axis=1, initial=-np.inf))


def _entropy(scores: Floats) -> Floats:
    return np.asarray(-(scores * np.log(np.where(scores > 0, scores, 1))).sum(axis=1))
