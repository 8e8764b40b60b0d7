"""How well a doubt ranks mistakes: the risk among the cells kept, as the most doubtful are given away first.

The area is the integral of risk over coverage, 0-1 (the AURC of Geifman and El-Yaniv; their mean over the N coverages
k / N comes to the same but for terms of 1 / N). Cells of equal doubt stand in random order: the errors among them rise
evenly, so a doubt that says nothing has the error rate r for its area; one that ranks every mistake last has the least,
r + (1 - r) ln(1 - r).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lymphoscope.evaluation.bootstrap import IntervalEstimate, MetricGroup, MetricSpec
from lymphoscope.evaluation.estimates import Estimate
from lymphoscope.evaluation.evaluation_set import EvaluationSet
from lymphoscope.evaluation.metrics import NO_CELLS, Floats, ratio
from lymphoscope.evaluation.schema import RiskCoverage, Signal

DOUBT = "ood_"
SCORE, DISAGREEMENT, DIFFERENCE = "score", "disagreement", "disagreement_minus_score"
NO_MISTAKE = "no mistake was made, so there is none to rank"
ONE_STREAM = "only one stream was run, so none could disagree"
_POINTS = 100
_MEANINGS = {
    SCORE: "1 less the score of the called class",
    DISAGREEMENT: "the share of the streams that did not vote for the called class",
    "margin": "1 less the gap between the called class's score and the highest of the others",
    "entropy": "the entropy of the scores over the classes",
}


@dataclass(frozen=True)
class Doubt:
    """One way to doubt N cells: the higher, the more; NaN where it is not known of a cell."""

    name: str
    meaning: str
    values: Floats

    @property
    def known(self) -> NDArray[np.bool_]:
        """(N,) of which cells it is known."""
        return ~np.isnan(self.values)


def risk_coverage_area(doubt: Floats, wrong: NDArray[np.bool_], weights: Floats) -> Floats:
    """The area under the risk-coverage curve; doubt (N,), wrong (N,), weights (R, N) -> (R,), NaN without cells."""
    if len(doubt) == 0:
        return np.full(len(weights), np.nan)
    kept, errors = _by_doubt(doubt, wrong, weights)
    before, mass = kept[:, :-1], np.diff(kept, axis=1)  # (R, G)
    share = np.divide(np.diff(errors, axis=1), mass, out=np.zeros_like(mass), where=mass > 0)
    # The risk at x between m and m + w is (e + (x - m) s) / x: its integral is w s + (e - m s) ln(1 + w / m).
    growth = np.log1p(np.divide(mass, before, out=np.zeros_like(mass), where=before > 0))
    return ratio(errors[:, -1] + ((errors[:, :-1] - before * share) * growth).sum(axis=1), kept[:, -1])


def risk_coverage_curve(doubt: Floats, wrong: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """(coverage, risk) at 100 even coverages up to 1: the share kept, and the expected share of errors in it."""
    if len(doubt) == 0:
        return []
    corners, errors = _by_doubt(doubt, wrong, np.ones((1, len(doubt))))
    kept = np.linspace(0, len(doubt), _POINTS + 1)[1:]
    found = np.interp(kept, corners[0], errors[0])
    return list(zip((kept / len(doubt)).tolist(), (found / kept).tolist(), strict=True))


def doubts_of(judged: EvaluationSet) -> list[Doubt]:
    """The doubts that the table knows: of the score, of the streams, and its columns that begin with `doubt_`.

    With more than two classes margin and entropy too; with two they rank as the score does.
    """
    found = {SCORE: 1 - judged.called}
    if len(judged.streams) > 1:
        found[DISAGREEMENT] = 1 - judged.rows["agreement"].to_numpy(np.float64)
    if len(judged.outcomes.classes) > 2:
        found |= {"margin": 1 - _margin(judged), "entropy": _entropy(judged.outcomes.scores)}
    columns = [str(name) for name in judged.rows.columns if str(name).startswith(DOUBT)]
    found |= {name: judged.rows[name].to_numpy(np.float64) for name in columns}
    return [Doubt(name, _MEANINGS.get(name, f"the column {name} of the predictions"), v) for name, v in found.items()]


def risk_coverage_group(judged: EvaluationSet) -> MetricGroup:
    """The area of every doubt, and that of disagreement less that of the score on the same cells."""
    doubts = {doubt.name: doubt for doubt in doubts_of(judged)}
    quantities = {name: _quantity(judged, doubt.known) for name, doubt in doubts.items()}
    both = doubts[DISAGREEMENT].known if DISAGREEMENT in doubts else np.zeros(len(judged.rows), dtype=bool)
    undefined = _why_not(judged, both) if DISAGREEMENT in doubts or judged.rows.empty else ONE_STREAM
    quantities[DIFFERENCE] = MetricSpec(both, "difference", undefined)

    def area(name: str, weights: Floats, cells: NDArray[np.bool_]) -> Floats:
        doubt = doubts[name].values
        whole = bool(cells.all())
        return risk_coverage_area(doubt[cells], judged.wrong[cells], weights if whole else weights[:, cells])

    def compute(weights: Floats) -> dict[str, Floats]:
        areas = {name: area(name, weights, doubt.known) for name, doubt in doubts.items()}
        if DISAGREEMENT in doubts:
            areas[DIFFERENCE] = areas[DISAGREEMENT] - (areas[SCORE] if both.all() else area(SCORE, weights, both))
        return areas

    return MetricGroup(compute, quantities)


def risk_coverage_section(judged: EvaluationSet, answers: Mapping[str, IntervalEstimate]) -> RiskCoverage:
    """The section of metrics.json, from the answers to `risk_coverage_group`."""
    signals = [
        Signal(
            name=doubt.name,
            meaning=doubt.meaning,
            cells=int(doubt.known.sum()),
            area=answers[doubt.name].measured,
            curve=risk_coverage_curve(doubt.values[doubt.known], judged.wrong[doubt.known]),
        )
        for doubt in doubts_of(judged)
    ]
    difference = answers[DIFFERENCE].measured
    kept = ~judged.referred
    point = (float(kept.mean()), float(judged.wrong[kept].mean())) if kept.any() else None
    return RiskCoverage(signals=signals, disagreement_minus_score=difference, verdict=verdict(difference), point=point)


def verdict(difference: Estimate) -> str:
    """Whether disagreement or the score ranks mistakes better, in words; `difference` is disagreement less score."""
    if difference.value is None or difference.low is None or difference.high is None:
        return f"Which of the two ranks mistakes better cannot be said: {difference.reason}."
    measured = f"{difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})"
    told = f"area under risk-coverage of disagreement less that of the score {measured}, lower is better"
    if difference.low > 0:
        return f"The plain score ranks mistakes better than the disagreement of the streams: {told}."
    if difference.high < 0:
        return f"The disagreement of the streams ranks mistakes better than the plain score: {told}."
    return f"These cells do not show which ranks mistakes better, disagreement or the plain score: {told}."


def _by_doubt(doubt: Floats, wrong: NDArray[np.bool_], weights: Floats) -> tuple[Floats, Floats]:
    """Weights (R, N) -> the weight of the cells, and of the wrong ones, up to each distinct doubt from 0 (R, G + 1)."""
    order = np.argsort(doubt, kind="stable")
    ranked = doubt[order]
    last = np.flatnonzero(np.concatenate([ranked[1:] != ranked[:-1], [True]]))  # cells of one doubt go together
    ordered = weights[:, order]
    return _climbed(ordered, last), _climbed(ordered * wrong[order], last)


def _climbed(weights: Floats, last: NDArray[np.intp]) -> Floats:
    sums = np.cumsum(weights, axis=1)
    return np.concatenate([np.zeros((len(sums), 1)), sums[:, last]], axis=1)


def _quantity(judged: EvaluationSet, known: NDArray[np.bool_]) -> MetricSpec:
    return MetricSpec(known, "bounded", _why_not(judged, known))


def _why_not(judged: EvaluationSet, known: NDArray[np.bool_]) -> str | None:
    if len(known) == 0:
        return NO_CELLS
    if not known.any():
        return "it is known of no cell"
    return None if judged.wrong[known].any() else NO_MISTAKE


def _margin(judged: EvaluationSet) -> Floats:
    cells = np.arange(len(judged.rows))
    others = judged.outcomes.scores.copy()
    others[cells, judged.outcomes.predicted] = -np.inf
    return np.asarray(judged.called - others.max(axis=1, initial=-np.inf))


def _entropy(scores: Floats) -> Floats:
    return np.asarray(-(scores * np.log(np.where(scores > 0, scores, 1))).sum(axis=1))
