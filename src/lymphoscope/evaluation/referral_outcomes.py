"""The result of referring some cells to a person: the errors among the accepted cells, and the missed blasts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd

from lymphoscope.evaluation.bootstrap import MetricGroup, MetricSpec
from lymphoscope.evaluation.estimates import Estimate
from lymphoscope.evaluation.evaluation_set import EvaluationSet, weights_of_subject_means
from lymphoscope.evaluation.metrics import METRICS, NO_CELLS
from lymphoscope.evaluation.outcomes import Floats, Weights, ratio
from lymphoscope.evaluation.schema import Referral
from lymphoscope.vocabulary import REASON_SEPARATOR

_OF_SUBJECTS: Final = "missed_blasts_of_subjects"


def referral_group(evaluated: EvaluationSet) -> MetricGroup:
    """Accuracy of the accepted cells, and the share of blasts predicted as another class and not referred.

    That share is over all blasts, and, where every cell has a subject, averaged over the subjects with blasts, too.
    """
    outcomes, accepted = evaluated.outcomes, ~evaluated.referred
    correct, blast = outcomes.correct, outcomes.is_positive
    counted = np.stack([accepted & correct, accepted, accepted & blast & ~correct, blast], axis=1).astype(np.float64)
    per_subject = weights_of_subject_means(evaluated)

    def compute(weights: Weights) -> dict[str, Floats]:
        correct, of_accepted, missed, of_blasts = weights.sum(counted).T
        values = {"accepted_accuracy": ratio(correct, of_accepted), "missed_blasts": ratio(missed, of_blasts)}
        if per_subject is not None:
            of_subjects = replace(weights, of_cell=per_subject).sum(counted[:, 2:])
            values[_OF_SUBJECTS] = ratio(of_subjects[:, 0], of_subjects[:, 1])
        return values

    none_accepted = None if accepted.any() else "every cell is referred"
    sensitivity = METRICS["sensitivity"]
    specs = {
        "accepted_accuracy": MetricSpec(accepted, undefined=none_accepted if len(accepted) else NO_CELLS, worst=0.0),
        "missed_blasts": MetricSpec(
            sensitivity.depends_on(outcomes), undefined=sensitivity.why_undefined(outcomes), worst=1.0
        ),
    }
    if per_subject is not None:
        missed = specs["missed_blasts"]
        specs[_OF_SUBJECTS] = replace(missed, depends_on=missed.depends_on * per_subject)
    return MetricGroup(compute, specs)


def referral_section(
    table: pd.DataFrame,
    evaluated: EvaluationSet,
    estimates: Mapping[str, Estimate],
    stated_miss_rate: float | None,
    promise: Sequence[str] = (),
) -> Referral:
    """The section of metrics.json; `cells`, `fraction` and `reasons` are of the whole table, unlabelled cells too."""
    referred = table[table["refer"].astype(bool)]
    reasons = referred["refer_reason"].dropna().str.split(REASON_SEPARATOR).explode()
    return Referral(
        cells=len(referred),
        fraction=len(referred) / len(table),
        reasons={str(reason): int(count) for reason, count in reasons.value_counts().items()},
        accepted_cells=int(np.sum(~evaluated.referred)),
        accepted_accuracy=estimates["accepted_accuracy"],
        missed_blasts=estimates["missed_blasts"],
        missed_blasts_of_subjects=estimates.get(_OF_SUBJECTS),
        stated_miss_rate=stated_miss_rate,
        promise=list(promise),
    )
