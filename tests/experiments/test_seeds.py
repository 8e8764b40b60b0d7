"""Estimates over seeds: the mean, an interval with subjects and seeds, and tests that keep their level."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import as_predictions
from lymphoscope.experiments.seeds import estimate_over_seeds

CLASSES = ("all", "hem")


def predictions(score: np.ndarray, label: np.ndarray, subject: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame({"path": [f"{index}.png" for index in range(len(score))], "label": label, "subject": subject})
    scores = {"score_all": score, "score_hem": 1 - score}
    predicted = np.where(score > 0.5, "all", "hem")
    return as_predictions(table.assign(**scores, predicted=predicted, refer=False), CLASSES)


def with_scores(table: pd.DataFrame, score: np.ndarray) -> pd.DataFrame:
    """The table with other scores: to make one from nothing takes longer than to test it."""
    predicted = np.where(score > 0.5, "all", "hem").astype(object)
    return table.assign(score_all=score, score_hem=1 - score, predicted=predicted)


def study(
    generator: np.random.Generator, seeds: int = 5, subjects: int = 24, cells: int = 10, spread: float = 1.0
) -> tuple[list[pd.DataFrame], list[pd.DataFrame]]:
    """Two methods that are equally good: subjects differ, methods differ by subject, and seeds differ."""
    truth = np.repeat(np.arange(subjects) % 2, cells)
    subject = np.repeat(np.arange(subjects), cells)
    label = np.where(truth == 1, "all", "hem")
    template = predictions(np.zeros(len(truth)), label, np.array([f"S{each}" for each in subject]))
    base = generator.normal(0, 1, subjects)[subject] + generator.normal(0, 1, len(truth))
    tables = []
    for _ in range(2):
        method = generator.normal(0, spread, subjects)[subject]
        of_method = []
        for _ in range(seeds):
            trained = generator.normal(0, 0.5) * (2 * truth - 1) + generator.normal(0, 0.5, subjects)[subject]
            logits = 1.0 * (2 * truth - 1) + base + method + trained + generator.normal(0, 0.5, len(truth))
            of_method.append(with_scores(template, 1 / (1 + np.exp(-logits))))
        tables.append(of_method)
    return tables[0], tables[1]


def test_the_estimate_is_the_mean_of_the_seeds() -> None:
    tables, _ = study(np.random.default_rng(0))
    found = estimate_over_seeds(tables, "all", replicates=100)
    for name, score in (("auc", roc_auc_score), ("accuracy", accuracy_score)):
        column = "score_all" if name == "auc" else "predicted"
        expected = [
            score(table["label"] == "all", table[column] if name == "auc" else table[column] == "all")
            for table in tables
        ]
        assert found[name].values == pytest.approx(expected)
        assert found[name].estimate.value == pytest.approx(np.mean(expected))


def test_the_interval_of_several_seeds_contains_their_differences() -> None:
    tables, _ = study(np.random.default_rng(1))
    one = estimate_over_seeds([tables[0]] * 5, "all", replicates=400)["auc"].estimate
    varied = estimate_over_seeds(tables, "all", replicates=400)["auc"]
    assert one.low is not None
    assert one.high is not None
    assert varied.estimate.low is not None
    assert varied.estimate.high is not None
    half = 2.776 * np.std(varied.values, ddof=1) / 5**0.5  # t of four degrees of freedom
    assert varied.estimate.high - varied.estimate.low > 2 * half
    of_subjects = estimate_over_seeds(tables[:1], "all", replicates=400)["auc"]
    assert of_subjects.estimate.reason == "one seed: the interval is of this trained model"


def test_an_interval_of_two_seeds_stays_within_the_possible_values() -> None:
    one, other = study(np.random.default_rng(3), seeds=2, subjects=8)
    opposite = [one[0], with_scores(one[1], 1 - one[1]["score_all"].to_numpy())]
    single = estimate_over_seeds(opposite, "all", replicates=100)
    for name in ("accuracy", "auc"):
        assert (single[name].estimate.low, single[name].estimate.high) == (0, 1)
    difference = estimate_over_seeds(opposite, "all", minus=other, replicates=100)["accuracy"].estimate
    assert (difference.low, difference.high) == (-1, 1)


def test_a_method_does_not_differ_from_itself() -> None:
    tables, _ = study(np.random.default_rng(2))
    found = estimate_over_seeds(tables, "all", minus=tables, replicates=100)["auc"]
    assert found.estimate.value == 0.0
    assert found.values == (0.0,) * 5


@pytest.mark.slow
def test_p_is_below_005_where_the_interval_excludes_zero() -> None:
    generator = np.random.default_rng(3)
    for _ in range(12):
        first, second = study(generator, spread=0.2)
        better = [table.assign(score_all=np.clip(table["score_all"] + 0.1, 0, 1)) for table in first]
        for tables in (first, better):
            estimate = estimate_over_seeds(tables, "all", minus=second, replicates=200)["accuracy"].estimate
            assert estimate.low is not None
            assert estimate.high is not None
            assert estimate.p is not None
            assert (estimate.p < 0.05) == (estimate.low > 0 or estimate.high < 0)


@pytest.mark.slow
@pytest.mark.parametrize(("subjects", "cells"), [(24, 10), (10, 20)])
def test_equal_methods_are_rarely_rejected(subjects: int, cells: int) -> None:
    generator = np.random.default_rng(4)
    rejected = {"auc": 0, "accuracy": 0}
    studies = 150
    for _ in range(studies):
        first, second = study(generator, subjects=subjects, cells=cells)
        found = estimate_over_seeds(first, "all", minus=second, replicates=300)
        for name in rejected:
            p = found[name].estimate.p
            rejected[name] += p is not None and p < 0.05
    assert max(rejected.values()) <= 0.09 * studies  # 0.05, and two standard deviations of 150 studies


def test_other_cells_and_other_seeds_are_refused() -> None:
    tables, others = study(np.random.default_rng(5))
    with pytest.raises(LymphoscopeError, match="5 and 4 seeds"):
        estimate_over_seeds(tables, "all", minus=others[:4])
    with pytest.raises(LymphoscopeError, match="table 2 has other cells"):
        estimate_over_seeds([tables[0], tables[1].iloc[:-1]], "all")
