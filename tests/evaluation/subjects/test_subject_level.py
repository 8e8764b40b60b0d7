import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as reference

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import as_predictions
from lymphoscope.evaluation.schema import SubjectLevel
from lymphoscope.evaluation.subjects.subject_level import evaluate_subjects

Maker = Callable[..., pd.DataFrame]


def called(table: pd.DataFrame) -> pd.Series:
    return (table["predicted"] == "all").groupby(table["subject"]).mean()


def test_shares_are_counted_with_their_exact_interval(predictions: Maker) -> None:
    table = predictions(subjects=6, cells=30)
    found = evaluate_subjects(table, blast_class="all", replicates=100)
    assert [row.subject for row in found.subjects] == sorted(set(table["subject"]))
    for row in found.subjects:
        cells = table[table["subject"] == row.subject]
        yes = int((cells["predicted"] == "all").sum())
        exact = stats.binomtest(yes, 30).proportion_ci(0.95, method="exact")
        assert (row.cells, row.predicted_positive, row.slide, row.label) == (30, yes, None, cells["label"].iloc[0])
        assert (row.share.value, row.share.low, row.share.high) == pytest.approx((yes / 30, exact.low, exact.high))
        assert row.side == ("above" if exact.low > 0.2 else "below" if exact.high < 0.2 else "undecided")
        assert (row.more_cells is None) == (row.side != "undecided" or yes == 6)  # 6 of 30 is the percentage itself
    assert found.slides == []


def test_the_correction_rests_on_the_other_subjects(predictions: Maker) -> None:
    table = predictions(subjects=8, cells=25)
    found = evaluate_subjects(table, blast_class="all")
    for row in found.subjects:
        others = table[table["subject"] != row.subject]
        sensitivity = (others["predicted"] == "all")[others["label"] == "all"].mean()
        specificity = (others["predicted"] == "hem")[others["label"] == "hem"].mean()
        expected = np.clip((row.share.value + specificity - 1) / (sensitivity + specificity - 1), 0, 1)
        assert row.corrected.value == pytest.approx(expected)
        assert row.corrected.low <= row.corrected.value <= row.corrected.high


def test_a_subjects_own_labels_do_not_touch_its_correction(predictions: Maker) -> None:
    table = predictions(subjects=8, cells=25)
    relabelled = table.copy()
    own = table["subject"] == "S003"
    relabelled.loc[own, "label"] = np.where(np.arange(own.sum()) < 10, "all", "hem")  # hem most often, as before
    one, other = (evaluate_subjects(t, blast_class="all").subjects for t in (table, relabelled))
    assert one[3].corrected.value == other[3].corrected.value
    assert one[3].corrected.high == pytest.approx(other[3].corrected.high, abs=0.02)
    assert one[4].corrected.low > other[4].corrected.low + 0.1


def test_slides_are_corrected_by_the_other_subjects_too(predictions: Maker) -> None:
    table = predictions(subjects=6, cells=40)
    table["slide"] = [None if cell % 4 == 0 else f"slide {cell % 2}" for cell in range(len(table))]
    found = evaluate_subjects(table, blast_class="all")
    assert [(row.subject, row.slide) for row in found.slides[:3]] == [
        ("S000", "slide 0"),
        ("S000", "slide 1"),
        ("S001", "slide 0"),
    ]
    for row in found.slides:
        cells = table[(table["subject"] == row.subject) & (table["slide"] == row.slide)]
        assert (row.cells, row.predicted_positive) == (len(cells), (cells["predicted"] == "all").sum())
        others = table[table["subject"] != row.subject]
        sensitivity = (others["predicted"] == "all")[others["label"] == "all"].mean()
        specificity = (others["predicted"] == "hem")[others["label"] == "hem"].mean()
        expected = np.clip((row.share.value + specificity - 1) / (sensitivity + specificity - 1), 0, 1)
        assert row.corrected.value == pytest.approx(expected)


def test_cells_without_prediction_or_subject_are_left_out_and_counted(predictions: Maker) -> None:
    table = predictions(subjects=6, cells=30)
    table.loc[:4, ["predicted", "error"]] = [None, "not an image"]
    table.loc[table["subject"] == "S002", ["predicted", "error"]] = [None, "not an image"]
    table.loc[[100, 101], "subject"] = None
    found = evaluate_subjects(as_predictions(table, ["all", "hem"]), blast_class="all", replicates=50)
    assert found.excluded_cells == 5 + 30 + 2
    assert [row.cells for row in found.subjects] == [25, 30, 0, 28, 30, 30]
    empty = found.subjects[2]
    assert empty.share.value is empty.corrected.value is empty.more_cells is None
    assert empty.share.reason == empty.corrected.reason == "no cell has a prediction"
    assert (empty.label, empty.side, empty.enough_cells) == ("all", "undecided", False)


def test_a_table_without_subjects_has_none(predictions: Maker) -> None:
    table = as_predictions(predictions().assign(subject=None), ["all", "hem"])
    found = evaluate_subjects(table, blast_class="all", replicates=20)
    assert (found.excluded_cells, found.subjects, found.slides, found.auc.value) == (len(table), [], [], None)


def test_cells_without_labels_still_give_shares(predictions: Maker) -> None:
    table = predictions()
    found = evaluate_subjects(table.assign(label=None), blast_class="all")
    assert [row.share for row in found.subjects] == [
        row.share for row in evaluate_subjects(table, blast_class="all").subjects
    ]
    assert {row.label for row in found.subjects} == {None}
    assert {row.corrected.reason for row in found.subjects} == {
        "no cell of another subject is labelled as a blast, so sensitivity is unknown"
    }
    assert (found.auc.value, found.auc.reason, found.roc) == (None, "no subject has a label and a prediction", None)


def test_an_unlabelled_subject_is_corrected_by_the_labelled_ones(predictions: Maker) -> None:
    table = predictions(cells=40)
    table.loc[table["subject"] == "S004", "label"] = None
    found = evaluate_subjects(as_predictions(table, ["all", "hem"]), blast_class="all")
    assert found.subjects[4].label is None
    assert found.subjects[4].corrected.low < found.subjects[4].corrected.high
    labelled = table[table["subject"] != "S004"]
    assert found.auc == evaluate_subjects(labelled, blast_class="all").auc


def test_two_hundred_cells_are_enough(predictions: Maker) -> None:
    table = predictions(subjects=2, cells=200).iloc[:-1]
    found = evaluate_subjects(table, blast_class="all", replicates=20)
    assert found.min_cells == 200
    assert [row.enough_cells for row in found.subjects] == [True, False]


def confused(seed: int, subjects: int, classes: tuple[str, ...], predictions: Maker) -> pd.DataFrame:
    """Few cells each, and a fifth of the calls by chance, so that subjects of different classes overlap."""
    table = predictions(subjects=subjects, cells=6, classes=classes, seed=seed)
    generator = np.random.default_rng(seed)
    other = generator.random(len(table)) < 0.6
    table.loc[other, "predicted"] = generator.choice(classes, other.sum())
    return table


@pytest.mark.parametrize("classes", [("all", "hem"), ("basophil", "all", "monocyte")])
def test_subjects_are_told_apart_as_scikit_learn_has_it(predictions: Maker, classes: tuple[str, ...]) -> None:
    table = confused(0, 24, classes, predictions)
    found = evaluate_subjects(table, blast_class="all")
    truth = table.groupby("subject")["label"].first() == "all"
    assert found.auc.value == pytest.approx(reference.roc_auc_score(truth, called(table)))
    false, true, _ = reference.roc_curve(truth, called(table), drop_intermediate=False)
    np.testing.assert_allclose(found.roc.false_positive, false)
    np.testing.assert_allclose(found.roc.true_positive, true)
    assert found.auc.low < found.auc.value < found.auc.high


def test_the_label_of_a_subject_is_its_commonest(predictions: Maker) -> None:
    table = predictions(subjects=4, cells=10)
    table.loc[:2, "label"] = "hem"
    assert evaluate_subjects(table, blast_class="all").subjects[0].label == "all"
    table.loc[:6, "label"] = "hem"
    assert evaluate_subjects(table, blast_class="all").subjects[0].label == "hem"


def test_what_cannot_be_had_has_a_reason(predictions: Maker) -> None:
    table = confused(1, 12, ("all", "hem"), predictions)
    only = evaluate_subjects(table[table["label"] == "all"], blast_class="all")
    assert (only.auc.value, only.auc.reason) == (None, "every labelled subject is of class all")
    assert only.subjects[0].corrected.reason == (
        "no cell of another subject is labelled as not a blast, so specificity is unknown"
    )
    none = evaluate_subjects(table[table["label"] == "hem"], blast_class="all")
    assert (none.auc.value, none.auc.reason) == (None, "no labelled subject is of class all")
    lone = evaluate_subjects(table[(table["label"] == "hem") | (table["subject"] == "S000")], blast_class="all")
    assert (lone.auc.low, lone.auc.reason) == (
        None,
        "only one subject of class all, an interval over subjects needs two",
    )
    assert lone.subjects[1].corrected.value is not None
    assert lone.subjects[1].corrected.low is None
    assert lone.subjects[1].corrected.reason.startswith("only one other subject")


def test_a_call_that_says_nothing_is_not_corrected(predictions: Maker) -> None:
    table = predictions(cells=20)
    table["predicted"] = np.where(table["label"] == "all", "hem", "all")
    for row in evaluate_subjects(table, blast_class="all").subjects:
        assert row.corrected.value is None
        assert "carry no information" in row.corrected.reason


def test_subjects_that_never_overlap_have_no_interval(predictions: Maker) -> None:
    table = predictions(cells=20)
    found = evaluate_subjects(table.assign(predicted=table["label"]), blast_class="all")
    assert (found.auc.value, found.auc.low) == (1, None)
    assert "do not overlap" in found.auc.reason


def test_the_order_of_the_rows_changes_nothing(predictions: Maker) -> None:
    table = predictions(cells=20)
    table["slide"] = [f"{cell % 2}" for cell in range(len(table))]
    found = evaluate_subjects(table, blast_class="all", seed=3)
    assert found == evaluate_subjects(table.sample(frac=1, random_state=1), blast_class="all", seed=3)
    assert found != evaluate_subjects(table, blast_class="all", seed=4)
    assert SubjectLevel.model_validate_json(found.model_dump_json()) == found


def test_the_blast_threshold_decides_the_side(predictions: Maker) -> None:
    table = predictions(subjects=4, cells=100)
    sides = {
        percentage: [
            row.side for row in evaluate_subjects(table, blast_class="all", blast_threshold=percentage).subjects
        ]
        for percentage in (1.0, 99.0)
    }
    assert set(sides[1.0]) == {"above"}
    assert set(sides[99.0]) == {"below"}


@pytest.mark.parametrize(("blast", "percentage", "words"), [("ALL", 20.0, "'ALL'"), ("all", 0.0, "between 0 and 100")])
def test_a_wrong_request_gets_one_line(predictions: Maker, blast: str, percentage: float, words: str) -> None:
    with pytest.raises(LymphoscopeError, match=words):
        evaluate_subjects(predictions(), blast_class=blast, blast_threshold=percentage)


@pytest.mark.timing
def test_a_hundred_subjects_take_seconds(predictions: Maker) -> None:
    table = predictions(subjects=118, cells=10)
    start = time.perf_counter()
    evaluate_subjects(table, blast_class="all")
    assert time.perf_counter() - start < 10
