"""Decision curve of subjects: what acting on the share of predicted blasts is worth, in true positives per subject.

Vickers and Elkin (2006), Decision curve analysis: a novel method for evaluating prediction models, Med Decis Making 26,
565-574. The share of a subject's cells that are predicted as blasts is taken as the subject's risk. Whoever acts from a
risk of t on accepts (1 - t) / t false alarms for each case found, so the net benefit is the share of all subjects that
are found, less t / (1 - t) times the share that are false alarms.
"""

from typing import Final

import numpy as np

from lymphoscope.evaluation.bootstrap import BootstrapSamples, MetricGroup, MetricSpec
from lymphoscope.evaluation.outcomes import Floats, Mask, Weights, ratio
from lymphoscope.evaluation.schema import DecisionCurve, DecisionPoint

THRESHOLDS: Final = tuple(float(value) for value in np.arange(5, 100, 5) / 100)
"""The risks from which on somebody acts."""
PREVALENCES: Final = (0.05, 0.2)
"""Shares of subjects with the blast label to translate the curve to, beside that of these subjects."""


def decision_curves(share: Floats, is_blast: Mask, samples: BootstrapSamples) -> list[DecisionCurve]:
    """The curves of S subjects with a `share` (S,) of predicted blasts, by rising prevalence."""
    own = float(is_blast.mean())
    prevalences = sorted({*PREVALENCES, own})
    acts: Floats = np.array([share >= threshold for threshold in THRESHOLDS], dtype=np.float64).T  # (S, T)
    cases = is_blast.astype(np.float64)

    def compute(weights: Weights) -> dict[str, Floats]:
        found, alarms = (ratio(weights.sum(acts * of[:, None]), weights.sum(of[:, None])) for of in (cases, 1 - cases))
        benefits = {p: net_benefit(found, alarms, p) for p in prevalences}
        return {f"{p} {t}": benefits[p][:, index] for p in prevalences for index, t in enumerate(THRESHOLDS)}

    every = np.ones(len(share), dtype=bool)
    specs = {f"{p} {t}": MetricSpec(every, "real") for p in prevalences for t in THRESHOLDS}
    estimates = samples.estimate({"curve": MetricGroup(compute, specs)})["curve"]
    return [
        DecisionCurve(
            prevalence=prevalence,
            of_these_subjects=prevalence == own,
            points=[
                DecisionPoint(
                    threshold=threshold,
                    net_benefit=estimates[f"{prevalence} {threshold}"],
                    act_on_all=prevalence - (1 - prevalence) * threshold / (1 - threshold),
                )
                for threshold in THRESHOLDS
            ],
        )
        for prevalence in prevalences
    ]


def net_benefit(found: Floats, alarms: Floats, prevalence: float) -> Floats:
    """(R, T) from the share of cases found and of other subjects that are false alarms (R, T), at the thresholds."""
    odds = np.array(THRESHOLDS) / (1 - np.array(THRESHOLDS))
    return np.asarray(found * prevalence - alarms * (1 - prevalence) * odds)
