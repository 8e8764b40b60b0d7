"""The promise of a 95 % interval: over many studies of one population it holds the true value 95 % of the time."""

import numpy as np
from scipy.special import expit

from lymphoscope.evaluation.bootstrap import BootstrapSamples
from lymphoscope.evaluation.estimates import Bootstrap
from lymphoscope.evaluation.evaluation_set import metric_group
from lymphoscope.evaluation.intervals import LEVEL, units_of
from lymphoscope.evaluation.metrics import METRICS, compute_metrics
from lymphoscope.evaluation.outcomes import Outcomes

REPLICATES = 300
CLASSES = ("all", "hem")


def study(generator: np.random.Generator, subjects: int, cells: int) -> tuple[Outcomes, np.ndarray]:
    """`subjects` of each class; a subject's cells share a shift, so that some people are hard and most are easy."""
    kind = np.repeat([0, 1], subjects)
    shift = np.where(kind == 0, 2.0, -1.5) + generator.normal(0, 0.8, len(kind))
    of_cell = np.repeat(np.arange(len(kind)), cells)
    blast = expit(1.5 * (shift[of_cell] + generator.normal(0, 1, len(of_cell))))
    scores = np.stack([blast, 1 - blast], axis=1)
    return Outcomes(kind[of_cell], scores.argmax(axis=1), scores, CLASSES, positive_index=0), of_cell


def true_values() -> dict[str, float]:
    outcomes, _ = study(np.random.default_rng(99), 30_000, 20)
    return {
        name: float(value[0]) for name, value in compute_metrics(outcomes, np.ones((1, len(outcomes.truth)))).items()
    }


def coverage(subjects: int, studies: int) -> dict[str, float]:
    """Metric -> the share of studies whose interval holds the true value."""
    true, generator = true_values(), np.random.default_rng(7)
    held = dict.fromkeys(METRICS, 0)
    for seed in range(studies):
        outcomes, names = study(generator, subjects, 20)
        described = Bootstrap(unit="subject", replicates=REPLICATES, seed=seed, level=LEVEL)
        samples = BootstrapSamples(units_of(names.astype(object), outcomes), CLASSES, described)
        answers = samples.estimate({"vote": metric_group(outcomes, np.ones(len(names), dtype=bool))})["vote"]
        for metric in METRICS:
            result = answers[metric]
            held[metric] += result.low <= true[metric] <= result.high
    return {metric: count / studies for metric, count in held.items()}


def test_intervals_cover_at_the_nominal_rate_with_thirty_subjects_per_class() -> None:
    result = coverage(30, 600)
    assert {metric: share for metric, share in result.items() if not 0.92 <= share <= 0.98} == {}


def test_intervals_cover_nearly_at_the_nominal_rate_with_eight_subjects_per_class() -> None:
    """Of 4,000 studies 93.9 % for accuracy, 93.9 WF1S, 92.2 AUC, 93.9 balanced, 95.0 sensitivity, 93.5 specificity."""
    result = coverage(8, 1500)
    assert {metric: share for metric, share in result.items() if not 0.905 <= share <= 0.97} == {}
