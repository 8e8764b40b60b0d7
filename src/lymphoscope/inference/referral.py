"""When a person must look, and why."""

from lymphoscope.model_file import Thresholds

UNREADABLE = "unreadable"


def refer_reasons(agreement: float, scores: list[float], predicted: int, thresholds: Thresholds) -> list[str]:
    """Why a person must look at a cell; empty when nobody need.

    `scores` are the K mean softmax values, `predicted` the voted class. Agreement counts to two decimals, as shown.
    """
    reasons = []
    if round(agreement, 2) < thresholds.minimum_agreement:
        reasons.append("streams disagree")
    if scores[predicted] < thresholds.minimum_score:
        reasons.append(_low_score(scores, predicted, thresholds.minimum_score))
    return reasons


def _low_score(scores: list[float], predicted: int, minimum: float) -> str:
    if scores[predicted] < max(scores):
        return "vote and score disagree"
    return f"score below {minimum:g}"
