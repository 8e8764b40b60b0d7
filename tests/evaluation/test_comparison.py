from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import METRICS, compare_predictions, evaluate_predictions
from lymphoscope.evaluation.auc_test import compare_areas
from lymphoscope.evaluation.comparison import compared_metrics, discordant_cells
from lymphoscope.evaluation.subject_tests import NO_P

Maker = Callable[..., pd.DataFrame]


def other_reader(one: pd.DataFrame, predictions: Maker, seed: int = 1, **made: object) -> pd.DataFrame:
    """Another reader's answers of the same cells."""
    return predictions(seed=seed, **made).assign(path=one["path"], label=one["label"], subject=one["subject"])


def test_differences_are_of_the_scores_of_each_table(predictions: Maker) -> None:
    one = predictions(subjects=20)
    other = other_reader(one, predictions, subjects=20)
    result = compare_predictions(one, other.sample(frac=1, random_state=0), blast_class="all", replicates=200)
    assert (result.cells, result.subjects, result.bootstrap.replicates) == (200, 20, 200)
    assert list(result.differences) == list(compared_metrics())
    first, second = (evaluate_predictions(t, blast_class="all", replicates=100) for t in (one, other))
    for difference in result.differences.values():
        assert difference.value == pytest.approx(difference.one - difference.other)
        assert difference.reason if difference.low is None else difference.low < difference.value < difference.high
    without = {name for name, difference in result.differences.items() if difference.low is None}
    assert without == {"ece", "debiased_calibration_error"}
    for metric in ("accuracy", "weighted_f1", "auc", "balanced_accuracy", "sensitivity", "specificity"):
        difference = result.differences[metric]
        assert (difference.one, difference.other) == (first.vote[metric].value, second.vote[metric].value)
    for error in ("ece", "brier", "log_loss"):
        assert result.differences[error].one == first.calibration.as_predicted[error].value
    assert result.differences["risk_coverage_area"].other == second.risk_coverage.signals[0].area.value


def test_swapping_the_tables_changes_only_the_sign(predictions: Maker) -> None:
    one = predictions()
    other = other_reader(one, predictions)
    there = compare_predictions(one, other, blast_class="all", replicates=100)
    back = compare_predictions(other, one, blast_class="all", replicates=100)
    for name in compared_metrics():
        ends = there.differences[name].low, back.differences[name].high
        assert ends == (None, None) or ends[0] == pytest.approx(-ends[1])
        assert there.differences[name].p == pytest.approx(back.differences[name].p)
    assert there.discordant.only_one_right == back.discordant.only_other_right
    assert there.auc_test.p == pytest.approx(back.auc_test.p)


def test_paired_interval_is_narrower(predictions: Maker) -> None:
    """A reader with three of its answers changed: the two differ by little, though each alone is known badly."""
    one = predictions(subjects=20, cells=20)
    other = one.copy()
    other.loc[[0, 60, 130], "predicted"] = other.loc[[0, 60, 130], "predicted"].map({"all": "hem", "hem": "all"})
    difference = compare_predictions(one, other, blast_class="all").differences["accuracy"]
    alone = evaluate_predictions(one, blast_class="all").vote["accuracy"]
    assert difference.high - difference.low < 0.5 * (alone.high - alone.low)


def test_table_does_not_differ_from_itself(predictions: Maker) -> None:
    table = predictions()
    result = compare_predictions(table, table, blast_class="all", replicates=50)
    assert {difference.value for difference in result.differences.values()} == {0}
    assert {difference.p for difference in result.differences.values()} == {1}
    assert (result.discordant.p, result.auc_test.p) == (1, 1)


def test_clearly_better_model_is_significant(predictions: Maker) -> None:
    one = predictions(subjects=30, cells=20)
    truth = (one["label"] == "all").to_numpy()
    better = one.assign(
        predicted=one["label"], score_all=np.where(truth, 0.9, 0.1), score_hem=np.where(truth, 0.1, 0.9)
    )
    result = compare_predictions(better, one, blast_class="all", replicates=300)
    for name, difference in result.differences.items():
        worse = name in ("ece", "brier", "log_loss", "risk_coverage_area")
        if name in METRICS or name in ("brier", "log_loss", "risk_coverage_area"):
            assert difference.p < 0.01  # 300 exchanges
            assert (difference.value < 0) == worse
    assert result.discordant.p <= 1e-4
    assert result.auc_test.p <= 1e-4


def two_equal_readers(generator: np.random.Generator, subjects: int, cells: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two readers of equal skill of the same cells: what a subject and a cell show is shared, the noise is not."""
    truth = np.repeat(np.arange(subjects) % 2, cells)
    shown = np.where(truth == 0, 1.2, -1.2) + np.repeat(generator.normal(0, 0.7, subjects), cells)
    tables = []
    for _ in range(2):
        own = np.repeat(generator.normal(0, 0.5, subjects), cells)
        blast = expit(shown + own + generator.normal(0, 0.8, len(truth)))
        votes = np.where(blast > 0.5, "all", "hem")
        columns = {f"{kind}_all": blast for kind in ("score", "raw", "crop", "erase")}
        columns |= {f"{kind}_hem": 1 - blast for kind in ("score", "raw", "crop", "erase")}
        columns |= dict.fromkeys(("predicted", "raw_vote", "crop_vote", "erase_vote"), votes)
        table = pd.DataFrame(columns).assign(
            path=[f"/{cell:05}.png" for cell in range(len(truth))],
            subject=np.repeat([f"S{subject:02}" for subject in range(subjects)], cells),
            label=np.where(truth == 0, "all", "hem"),
            **dict.fromkeys(("slide", "refer_reason", "error")),
            **dict.fromkeys(("box_top", "box_left", "box_bottom", "box_right"), 0),
            agreement=1.0,
            refer=False,
        )
        order = ["path", "score_all", "score_hem"]
        tables.append(table[[*order, *table.columns.drop(order)]])
    return tables[0], tables[1]


@pytest.mark.slow
def test_tests_reject_equal_models_at_their_level() -> None:
    """Models equally good, 12 + 12 subjects: a p below 0.05 in one study of twenty."""
    generator = np.random.default_rng(0)
    result: dict[str, list[float]] = {"accuracy": [], "brier": [], "sign flips": [], "auc": []}
    for seed in range(150):
        tables = two_equal_readers(generator, 24, 12)
        compared = compare_predictions(*tables, blast_class="all", replicates=100, seed=seed)
        for name in ("accuracy", "brier"):
            result[name].append(compared.differences[name].p)
        result["sign flips"].append(compared.discordant.p)
        result["auc"].append(compared.auc_test.p)
    for name, values in result.items():
        rejected = np.mean(np.array(values) < 0.05)
        assert rejected <= 0.09, name
        if name in ("brier", "auc"):  # the others take few values, so that their p values are coarse and often 1
            assert stats.kstest(values, "uniform").pvalue > 0.005, name
            assert rejected >= 0.02, name


def test_discordant_cells_are_counted_and_tested_by_subject() -> None:
    one = np.array([True] * 6 + [False] * 2 + [True] * 4)
    other = np.array([False] * 6 + [True] * 2 + [True] * 4)
    result = discordant_cells(one, other, np.repeat(["a", "b", "c"], 4).astype(object))
    assert (result.only_one_right, result.only_other_right) == (6, 2)
    assert (result.p, result.reason) == (None, NO_P)  # two subjects differ, and any sign is as extreme
    alone = discordant_cells(one, other, np.arange(12).astype(object))
    binomial = stats.binom(8, 0.5)
    assert alone.p == pytest.approx(2 * binomial.sf(6) + binomial.pmf(6))  # the mid-p of McNemar's exact test


def test_auc_test_is_of_the_blast_class_and_needs_one_for_many_classes(predictions: Maker) -> None:
    one = predictions(subjects=24, classes=tuple("abc"))
    other = other_reader(one, predictions, subjects=24, classes=tuple("abc"))
    result = compare_predictions(one, other, blast_class="b", replicates=50)
    rows = one.sort_values("path")
    scores = np.stack([rows["score_b"], other.sort_values("path")["score_b"]])
    expected = compare_areas((rows["label"] == "b").to_numpy(), scores, rows["subject"].to_numpy(object))
    assert result.auc_test == expected
    without = compare_predictions(one, other, blast_class=None, replicates=50)
    assert (
        without.auc_test.reason == without.differences["sensitivity"].reason == "none of the classes is a blast class"
    )
    one_kind = one.assign(label="b")
    result = compare_predictions(one_kind, other.assign(label="b"), blast_class="b", replicates=50)
    assert result.auc_test.reason == "cells labelled b, and others, needed"


def test_cells_without_a_prediction_in_one_table_are_left_out_with_a_note(predictions: Maker) -> None:
    one, other = predictions(), predictions(seed=1)
    other.loc[:2, ["predicted", "error"]] = [None, "not an image"]
    one.loc[5, "label"] = other.loc[5, "label"] = None
    result = compare_predictions(one, other, blast_class="all", replicates=50)
    assert result.cells == 116
    assert result.bootstrap.note == "4 of 120 cells have no label, or no prediction in one of the tables: left out"
    with pytest.raises(LymphoscopeError, match="nothing to compare"):
        compare_predictions(one.assign(label=None), other.assign(label=None), blast_class=None)


def test_classes_may_be_in_another_order(predictions: Maker) -> None:
    one = predictions()
    swapped = one[[*one.columns.drop(["score_all", "score_hem"]), "score_hem", "score_all"]]
    result = compare_predictions(one, swapped, blast_class="all", replicates=50)
    assert {difference.value for difference in result.differences.values()} == {0}


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("missing", r"/cells/0_0.png is not in the second table \(1 such cell\)"),
        ("more", r"/cells/0_0.png is not in the first table \(1 such cell\)"),
        ("twice", "/cells/0_1.png is twice in the second table"),
        ("label", r"/cells/0_3.png: its label is all in the first table and hem in the second \(1 such cell\)"),
        ("subject", "/cells/0_3.png: its subject is S000 in the first table and S9 in the second"),
        ("classes", "the tables have different classes: all, hem, and all, other"),
        ("empty", "the second table: the table of predictions has no rows"),
    ],
)
def test_tables_that_cannot_be_compared_are_a_one_line_error(predictions: Maker, case: str, message: str) -> None:
    one, other = predictions(), predictions(seed=1)
    if case == "missing":
        other = other[1:]
    elif case == "more":
        one = one[1:]
    elif case == "twice":
        other = pd.concat([other, other[1:2]])
    elif case == "classes":
        other = predictions(classes=("all", "other"))
    elif case == "empty":
        other = other[:0]
    else:
        other.loc[3, case] = {"label": "hem", "subject": "S9"}[case]
    with pytest.raises(LymphoscopeError, match=message) as caught:
        compare_predictions(one, other, blast_class=None)
    assert "\n" not in str(caught.value)
