"""Decision curve of subjects: what acting on the share of predicted blasts is worth, in true positives per subject.

Vickers and Elkin (2006), Decision curve analysis: a novel method for evaluating prediction models, Med Decis Making 26,
565-574. The share of a subject's cells that are predicted as blasts is taken as the subject's risk. Whoever acts from a
risk of t on accepts (1 - t) / t false alarms for each case found, so the net benefit is the share of all subjects that
are found, less t / (1 - t) times the share that are false alarms. Cases and other
subjects are independent, so the interval of the net benefit is made of the exact intervals of the two shares (the MOVER
of Zou and Donner 2008, Construction of confidence limits about effect measures: a general approach, Stat Med 27,
1693-1702). A bootstrap does not do: it shows no false alarm where none occurred.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from lymphoscope.evaluation.estimates import Estimate
from lymphoscope.evaluation.intervals import exact_interval
from lymphoscope.evaluation.outcomes import Floats, Indices, Mask
from lymphoscope.evaluation.schema import DecisionCurve, DecisionPoint

THRESHOLDS: Final = tuple(float(value) for value in np.arange(5, 100, 5) / 100)
"""The risks from which on somebody acts."""
PREVALENCES: Final = (0.05, 0.2)
"""Shares of subjects with the blast label to translate the curve to, beside that of these subjects."""


def decision_curves(share: Floats, is_blast: Mask, groups: Indices) -> list[DecisionCurve]:
    """The curves of S subjects with a `share` (S,) of predicted blasts, by rising prevalence.

    Subjects of the same of `groups` (S,) are counted as one in the intervals. Both classes have a subject.
    """
    own = float(is_blast.mean())
    acts = np.greater_equal.outer(share, THRESHOLDS)  # (S, T)
    found, alarms = (Proportion.of(acts[of], groups[of]) for of in (is_blast, ~is_blast))
    return [
        DecisionCurve(
            prevalence=prevalence,
            of_these_subjects=prevalence == own,
            points=[
                DecisionPoint(
                    threshold=threshold,
                    net_benefit=benefit,
                    act_on_all=prevalence - (1 - prevalence) * threshold / (1 - threshold),
                )
                for threshold, benefit in zip(THRESHOLDS, net_benefits(found, alarms, prevalence), strict=True)
            ],
        )
        for prevalence in sorted({*PREVALENCES, own})
    ]


@dataclass(frozen=True)
class Proportion:
    """The share (T,) of subjects on whom somebody acts at each threshold, with the ends of its exact intervals."""

    value: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, acts: Mask, groups: Indices) -> "Proportion":
        """From whether somebody acts on each subject (S, T); the interval is that of as many as there are groups."""
        value, number = acts.mean(axis=0), len(np.unique(groups))
        return cls(value, *exact_interval(value * number, np.full(len(value), number)))


def net_benefits(found: Proportion, alarms: Proportion, prevalence: float) -> list[Estimate]:
    """The net benefit at each threshold, from the share of cases found and of other subjects that are false alarms."""
    thresholds = np.array(THRESHOLDS)
    costs = (1 - prevalence) * thresholds / (1 - thresholds)
    values = prevalence * found.value - costs * alarms.value
    below = np.hypot(prevalence * (found.value - found.low), costs * (alarms.high - alarms.value))
    above = np.hypot(prevalence * (found.high - found.value), costs * (alarms.value - alarms.low))
    ends = zip(values.tolist(), (values - below).tolist(), (values + above).tolist(), strict=True)
    return [Estimate(value=value, low=low, high=high) for value, low, high in ends]
