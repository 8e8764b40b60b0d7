"""What the predictions are worth where blasts are rarer, or more common, than among these cells."""

from collections.abc import Callable
from typing import Final

from lymphoscope.evaluation.estimates import Estimate
from lymphoscope.evaluation.evaluation_set import EvaluationSet
from lymphoscope.evaluation.outcomes import Mask
from lymphoscope.evaluation.schema import PredictiveValues

PREVALENCES: Final = (0.01, 0.05, 0.2, 0.5)
"""Shares of blasts to translate the results to, beside that of these cells."""


def predictive_values(evaluated: EvaluationSet, sensitivity: Estimate, specificity: Estimate) -> list[PredictiveValues]:
    """PPV, NPV and the share of referred cells by rising prevalence; none without sensitivity and specificity."""
    if sensitivity.value is None or specificity.value is None:
        return []
    positive = evaluated.outcomes.is_positive
    own, blasts, others = float(positive.mean()), _referred(evaluated, positive), _referred(evaluated, ~positive)
    return [
        PredictiveValues(
            prevalence=prevalence,
            of_these_cells=prevalence == own,
            positive_value=_estimate(positive_value, sensitivity, specificity, prevalence),
            negative_value=_estimate(negative_value, sensitivity, specificity, prevalence),
            referred=prevalence * blasts + (1 - prevalence) * others,
        )
        for prevalence in sorted({*PREVALENCES, own})
    ]


def positive_value(sensitivity: float, specificity: float, prevalence: float) -> float | None:
    """The share of the predicted blasts that are blasts (PPV, by Bayes' rule); None if none is predicted."""
    correct, wrong = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    return correct / (correct + wrong) if correct + wrong > 0 else None


def negative_value(sensitivity: float, specificity: float, prevalence: float) -> float | None:
    """The share of the other predictions that are not blasts (NPV, by Bayes' rule); None if there are none."""
    return positive_value(specificity, sensitivity, 1 - prevalence)


def _estimate(
    value: Callable[[float, float, float], float | None],
    sensitivity: Estimate,
    specificity: Estimate,
    prevalence: float,
) -> Estimate:
    """The value, and its range as both intervals move to their lower, and to their upper ends."""
    point = value(sensitivity.value or 0.0, specificity.value or 0.0, prevalence)
    if point is None:
        return Estimate(value=None, reason="no cell is predicted so")
    if None in (sensitivity.low, sensitivity.high, specificity.low, specificity.high):
        return Estimate(value=point, reason="sensitivity or specificity has no interval")
    low = value(sensitivity.low or 0.0, specificity.low or 0.0, prevalence)
    high = value(sensitivity.high or 0.0, specificity.high or 0.0, prevalence)
    return Estimate(value=point, low=0.0 if low is None else low, high=1.0 if high is None else high)


def _referred(evaluated: EvaluationSet, cells: Mask) -> float:
    return float(evaluated.referred[cells].mean())
