"""The constant classifiers: what guessing one class for every cell would score."""

from collections.abc import Mapping

import numpy as np

from lymphoscope.evaluation.measured import Measured, Scores
from lymphoscope.evaluation.metrics import METRICS, Floats, Outcomes, measure, why_undefined

NO_INTERVAL = "a constant answer does not depend on the cells' pictures, only on their labels"


def constant_outcomes(outcomes: Outcomes, kind: int) -> Outcomes:
    """The same cells, every one called class `kind` with the same certainty."""
    scores = np.zeros_like(outcomes.scores)
    scores[:, kind] = 1.0
    return Outcomes(outcomes.truth, np.full_like(outcomes.truth, kind), scores, outcomes.classes, outcomes.blast)


def constant_scores(outcomes: Outcomes) -> dict[str, dict[str, float]]:
    """Class name -> metric -> value of always guessing it, NaN where undefined; AUC is 0.5 by construction.

    Some of Table 3's rows are such classifiers, so they stand beside every result.
    """
    ones: Floats = np.ones((1, len(outcomes.truth)))
    guesses = {name: constant_outcomes(outcomes, kind) for kind, name in enumerate(outcomes.classes)}
    return {name: {m: float(v[0]) for m, v in measure(guess, ones).items()} for name, guess in guesses.items()}


def constant_section(outcomes: Outcomes) -> dict[str, Scores]:
    """The section of metrics.json: the same by class name, without intervals."""
    reasons = {metric: why_undefined(metric, outcomes) for metric in METRICS}
    return {name: _without_intervals(values, reasons) for name, values in constant_scores(outcomes).items()}


def _without_intervals(values: Mapping[str, float], reasons: Mapping[str, str | None]) -> Scores:
    measured = {
        metric: Measured(value=None if reasons[metric] else value, reason=reasons[metric] or NO_INTERVAL)
        for metric, value in values.items()
    }
    return Scores(**measured, cells=None, note=None)
