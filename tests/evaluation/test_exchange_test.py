from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import brier_score_loss, f1_score

from lymphoscope.evaluation import Outcomes
from lymphoscope.evaluation.calibration import calibration_group
from lymphoscope.evaluation.evaluation_set import metric_group
from lymphoscope.evaluation.exchange_test import exchange_p
from lymphoscope.evaluation.subject_tests import sign_flip_p

CLASSES = ("all", "hem")
COARSE = {"accuracy", "balanced_accuracy", "weighted_f1", "sensitivity", "specificity"}
Maker = Callable[..., pd.DataFrame]


def scores_group(outcomes: Outcomes) -> object:
    return metric_group(outcomes, np.ones(len(outcomes.truth), dtype=bool))


def study(
    generator: np.random.Generator, subjects: int, spread: float = 0.7, better: float = 0.0
) -> tuple[Outcomes, Outcomes, np.ndarray]:
    """Two equally good models of cells that share an effect of their subject; the second may be `better`."""
    sizes = np.maximum(1, generator.lognormal(2, spread, subjects)).astype(int)
    unit = np.repeat(np.arange(subjects), sizes)
    truth = unit % 2
    shared = generator.normal(0, 0.7, subjects)[unit] + generator.normal(0, 0.7, len(unit))
    models = []
    for more in (0.0, better):
        own = generator.normal(0, 0.6, subjects)[unit] + generator.normal(0, 0.7, len(unit))
        score = stats.norm.cdf((1 + more) * (1 - 2 * truth) + shared + own)
        scores = np.stack([score, 1 - score], axis=1)
        models.append(Outcomes(truth, scores.argmax(axis=1), scores, CLASSES, 0))
    return models[0], models[1], unit


def exchanged(one: np.ndarray, other: np.ndarray, unit: np.ndarray, subject_set: int) -> np.ndarray:
    swap = (subject_set >> unit & 1).astype(bool)
    return np.where(swap, other, one)


@pytest.mark.slow
@pytest.mark.parametrize(("subjects", "seed"), [(7, 11), (8, 9)])
def test_p_equals_exchanging_in_every_way_by_scikit_learn(subjects: int, seed: int) -> None:
    one, other, unit = study(np.random.default_rng(seed), subjects)
    result = exchange_p(one, other, unit, scores_group, exchanges=2000)
    errors = exchange_p(one, other, unit, calibration_group, exchanges=2000)
    f1, brier = [], []
    for subject_set in range(2**subjects):
        pair = [(one, other), (other, one)]
        labels = [exchanged(a.predicted, b.predicted, unit, subject_set) for a, b in pair]
        scores = [exchanged(a.scores[:, 1], b.scores[:, 1], unit, subject_set) for a, b in pair]
        f1.append(np.subtract(*[f1_score(one.truth, each, average="weighted") for each in labels]))
        brier.append(np.subtract(*[brier_score_loss(one.truth, each) for each in scores]))
    for found, expected in ((result["weighted_f1"], f1), (errors["brier"], brier)):
        size = np.abs(expected)
        assert found == pytest.approx((np.mean(size >= size[0] - 1e-9) + np.mean(size > size[0] + 1e-9)) / 2)


def test_random_exchanges_of_accuracy_are_sign_flips() -> None:
    one, other, unit = study(np.random.default_rng(0), 60)
    found = exchange_p(one, other, unit, scores_group, exchanges=4000)["accuracy"]
    differences = np.bincount(unit, one.correct.astype(float) - other.correct)
    assert found == pytest.approx(sign_flip_p(differences), abs=0.03)


def test_an_undefined_number_has_no_p() -> None:
    one, other, unit = study(np.random.default_rng(0), 16)
    only = one.truth == 0
    found = exchange_p(
        one.at(only), other.at(only), np.unique(unit[only], return_inverse=True)[1], scores_group, exchanges=99
    )
    assert (found["auc"], found["specificity"]) == (None, None)
    assert found["sensitivity"] is not None


def test_a_number_that_four_subjects_decide_has_no_p() -> None:
    """Four subjects have eight differences, each with its opposite: the mid-p of the largest is 1 in 16."""
    generator = np.random.default_rng(3)
    one, other, unit = study(generator, 8)
    found = exchange_p(one, other, unit, scores_group, exchanges=500)
    assert (found["sensitivity"], found["specificity"]) == (None, None)
    assert found["accuracy"] is not None
    assert all(p == 1 for p in exchange_p(one, one, unit, scores_group, exchanges=500).values())


@pytest.mark.slow
@pytest.mark.parametrize("subjects", [10, 24, 60])
def test_equal_models_are_rejected_at_the_level_by_every_metric(subjects: int) -> None:
    generator = np.random.default_rng(subjects)
    rejected: dict[str, list[bool]] = {}
    found, refused = 0, 0
    for seed in range(400):
        one, other, unit = study(generator, subjects)
        for group_of in (scores_group, calibration_group):
            for name, p in exchange_p(one, other, unit, group_of, exchanges=199, seed=seed).items():
                # Where fewer than five subjects differ there is no p.
                refused += p is None
                rejected.setdefault(name, []).extend([] if p is None else [p <= 0.05])
        better = study(generator, subjects, better=1.5)
        p = exchange_p(*better, scores_group, exchanges=199, seed=seed)["accuracy"]
        found += p is not None and p <= 0.05
    level = {name: float(np.mean(each)) for name, each in rejected.items() if len(each) >= 100}
    assert refused < 0.02 * sum(map(len, rejected.values())) or subjects < 24
    assert {name: share for name, share in level.items() if share > 0.08} == {}
    # Counts of right cells take few values: models are often equally good, and then p is 1.
    assert {name: share for name, share in level.items() if share < 0.02 and name not in COARSE} == {}
    assert found > (160 if subjects == 10 else 240)  # few subjects find a difference less often
