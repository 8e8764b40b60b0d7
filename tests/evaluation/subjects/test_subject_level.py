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
from lymphoscope.evaluation.subjects.subject_level import count_cells, evaluate_subjects

Maker = Callable[..., pd.DataFrame]


def predicted_share(table: pd.DataFrame) -> pd.Series:
    return (table["predicted"] == "all").groupby(table["subject"]).mean()


def test_shares_have_exact_intervals(predictions: Maker) -> None:
    table = predictions(subjects=6, cells=30)
    result = evaluate_subjects(table, blast_class="all", replicates=100)
    assert [row.subject for row in result.subjects] == sorted(set(table["subject"]))
    for row in result.subjects:
        cells = table[table["subject"] == row.subject]
        yes = int((cells["predicted"] == "all").sum())
        exact = stats.binomtest(yes, 30).proportion_ci(0.95, method="exact")
        assert (row.cells, row.predicted_positive, row.slide, row.label) == (30, yes, None, cells["label"].iloc[0])
        assert (row.share.value, row.share.low, row.share.high) == pytest.approx((yes / 30, exact.low, exact.high))
        decided = exact.low > 0.2 or exact.high < 0.2
        assert (row.more_cells is None) == (decided or yes == 6)  # 6 of 30 is the percentage itself
        corrected = row.corrected
        assert row.side == ("above" if corrected.low > 0.2 else "below" if corrected.high < 0.2 else "undecided")
    assert result.slides == []


def test_correction_uses_the_rates_of_the_other_subjects(predictions: Maker) -> None:
    table = predictions(subjects=8, cells=25)
    result = evaluate_subjects(table, blast_class="all")
    for row in result.subjects:
        others = table[table["subject"] != row.subject]
        sensitivity = (others["predicted"] == "all")[others["label"] == "all"].mean()
        specificity = (others["predicted"] == "hem")[others["label"] == "hem"].mean()
        expected = np.clip((row.share.value + specificity - 1) / (sensitivity + specificity - 1), 0, 1)
        assert row.corrected.value == pytest.approx(expected)
        assert row.corrected.low <= row.corrected.value <= row.corrected.high


def test_correction_of_a_subject_does_not_depend_on_its_own_labels(predictions: Maker) -> None:
    table = predictions(subjects=8, cells=25)
    relabelled = table.copy()
    own = table["subject"] == "S003"
    relabelled.loc[own, "label"] = np.where(np.arange(own.sum()) < 10, "all", "hem")  # hem most often, as before
    one, other = (evaluate_subjects(t, blast_class="all").subjects for t in (table, relabelled))
    assert one[3].corrected.value == other[3].corrected.value
    assert one[3].corrected.high == pytest.approx(other[3].corrected.high, abs=0.02)
    assert one[4].corrected.low > other[4].corrected.low + 0.1


def test_slides_are_corrected_by_the_other_subjects(predictions: Maker) -> None:
    table = predictions(subjects=6, cells=40)
    table["slide"] = [None if cell % 4 == 0 else f"slide {cell % 2}" for cell in range(len(table))]
    result = evaluate_subjects(table, blast_class="all")
    assert [(row.subject, row.slide) for row in result.slides[:3]] == [
        ("S000", "slide 0"),
        ("S000", "slide 1"),
        ("S001", "slide 0"),
    ]
    for row in result.slides:
        cells = table[(table["subject"] == row.subject) & (table["slide"] == row.slide)]
        assert (row.cells, row.predicted_positive) == (len(cells), (cells["predicted"] == "all").sum())
        others = table[table["subject"] != row.subject]
        sensitivity = (others["predicted"] == "all")[others["label"] == "all"].mean()
        specificity = (others["predicted"] == "hem")[others["label"] == "hem"].mean()
        expected = np.clip((row.share.value + specificity - 1) / (sensitivity + specificity - 1), 0, 1)
        assert row.corrected.value == pytest.approx(expected)


def test_cells_without_prediction_or_subject_are_excluded_and_counted(predictions: Maker) -> None:
    table = predictions(subjects=6, cells=30)
    table.loc[:4, ["predicted", "error"]] = [None, "not an image"]
    table.loc[table["subject"] == "S002", ["predicted", "error"]] = [None, "not an image"]
    table.loc[[100, 101], "subject"] = None
    result = evaluate_subjects(as_predictions(table, ["all", "hem"]), blast_class="all", replicates=50)
    assert result.excluded_cells == 5 + 30 + 2
    assert [row.cells for row in result.subjects] == [25, 30, 0, 28, 30, 30]
    empty = result.subjects[2]
    assert empty.share.value is empty.corrected.value is empty.more_cells is None
    assert empty.share.reason == empty.corrected.reason == "no cell has a prediction"
    assert (empty.label, empty.side, empty.enough_cells) == ("all", "undecided", False)


def test_table_without_subjects_gives_none(predictions: Maker) -> None:
    table = as_predictions(predictions().assign(subject=None), ["all", "hem"])
    result = evaluate_subjects(table, blast_class="all", replicates=20)
    assert (result.excluded_cells, result.subjects, result.slides, result.auc.value) == (len(table), [], [], None)


def test_unlabelled_cells_give_shares(predictions: Maker) -> None:
    table = predictions()
    result = evaluate_subjects(table.assign(label=None), blast_class="all")
    assert [row.share for row in result.subjects] == [
        row.share for row in evaluate_subjects(table, blast_class="all").subjects
    ]
    assert {row.label for row in result.subjects} == {None}
    assert {row.corrected.reason for row in result.subjects} == {
        "no cell of another subject is labelled as a blast, so sensitivity is unknown"
    }
    assert (result.auc.value, result.auc.reason, result.roc) == (None, "no subject has a label and a prediction", None)


def test_unlabelled_subject_is_corrected_by_labelled_subjects(predictions: Maker) -> None:
    table = predictions(cells=40)
    table.loc[table["subject"] == "S004", "label"] = None
    result = evaluate_subjects(as_predictions(table, ["all", "hem"]), blast_class="all")
    assert result.subjects[4].label is None
    assert result.subjects[4].corrected.low < result.subjects[4].corrected.high
    labelled = table[table["subject"] != "S004"]
    assert result.auc == evaluate_subjects(labelled, blast_class="all").auc


def test_two_hundred_cells_are_enough(predictions: Maker) -> None:
    table = predictions(subjects=2, cells=200).iloc[:-1]
    result = evaluate_subjects(table, blast_class="all", replicates=20)
    assert result.min_cells == 200
    assert [row.enough_cells for row in result.subjects] == [True, False]


def confused(seed: int, subjects: int, classes: tuple[str, ...], predictions: Maker) -> pd.DataFrame:
    """Few cells each, and a fifth of the calls by chance, so that subjects of different classes overlap."""
    table = predictions(subjects=subjects, cells=6, classes=classes, seed=seed)
    generator = np.random.default_rng(seed)
    other = generator.random(len(table)) < 0.6
    table.loc[other, "predicted"] = generator.choice(classes, other.sum())
    return table


@pytest.mark.parametrize("classes", [("all", "hem"), ("basophil", "all", "monocyte")])
def test_auc_and_roc_of_subjects_equal_scikit_learn(predictions: Maker, classes: tuple[str, ...]) -> None:
    table = confused(0, 24, classes, predictions)
    result = evaluate_subjects(table, blast_class="all")
    truth = table.groupby("subject")["label"].first() == "all"
    assert result.auc.value == pytest.approx(reference.roc_auc_score(truth, predicted_share(table)))
    false, true, _ = reference.roc_curve(truth, predicted_share(table), drop_intermediate=False)
    np.testing.assert_allclose(result.roc.false_positive, false)
    np.testing.assert_allclose(result.roc.true_positive, true)
    assert result.auc.low < result.auc.value < result.auc.high


def test_label_of_a_subject_is_its_commonest(predictions: Maker) -> None:
    table = predictions(subjects=4, cells=10)
    table.loc[:2, "label"] = "hem"
    assert evaluate_subjects(table, blast_class="all").subjects[0].label == "all"
    table.loc[:6, "label"] = "hem"
    assert evaluate_subjects(table, blast_class="all").subjects[0].label == "hem"


def test_missing_estimates_have_a_reason(predictions: Maker) -> None:
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


def test_share_is_not_corrected_for_uninformative_predictions(predictions: Maker) -> None:
    table = predictions(cells=20)
    table["predicted"] = np.where(table["label"] == "all", "hem", "all")
    for row in evaluate_subjects(table, blast_class="all").subjects:
        assert row.corrected.value is None
        assert "carry no information" in row.corrected.reason


def test_auc_without_overlap_has_the_exact_lower_bound_over_subjects(predictions: Maker) -> None:
    table = predictions(cells=20)
    result = evaluate_subjects(table.assign(predicted=table["label"]), blast_class="all")
    subjects = table["subject"].nunique()
    assert (result.auc.value, result.auc.high) == (1, 1)
    assert result.auc.low == pytest.approx(0.025 ** (1 / subjects))  # two-sided


def test_order_of_rows_changes_nothing(predictions: Maker) -> None:
    table = predictions(cells=20)
    table["slide"] = [f"{cell % 2}" for cell in range(len(table))]
    result = evaluate_subjects(table, blast_class="all", seed=3)
    assert result == evaluate_subjects(table.sample(frac=1, random_state=1), blast_class="all", seed=3)
    assert result != evaluate_subjects(table, blast_class="all", seed=4)
    assert SubjectLevel.model_validate_json(result.model_dump_json()) == result


def test_side_depends_on_the_blast_threshold(predictions: Maker) -> None:
    table = predictions(subjects=16, cells=60)
    seen = set()
    for percentage in (1.0, 20.0, 99.0):
        result = evaluate_subjects(table, blast_class="all", blast_threshold=percentage, replicates=200)
        for row in result.subjects:
            low, high = row.corrected.low > percentage / 100, row.corrected.high < percentage / 100
            assert row.side == ("above" if low else "below" if high else "undecided")
            seen.add((percentage, row.side))
    assert {(1.0, "above"), (20.0, "above"), (99.0, "below")} <= seen


def test_side_is_undecided_without_a_corrected_interval(predictions: Maker) -> None:
    """One other subject of a class: the errors on other people are not known."""
    rows = evaluate_subjects(predictions(subjects=4, cells=100), blast_class="all").subjects
    assert {(row.corrected.low, row.side) for row in rows} == {(None, "undecided")}


@pytest.mark.parametrize(
    ("blast", "percentage", "message"), [("ALL", 20.0, "'ALL'"), ("all", 0.0, "between 0 and 100")]
)
def test_invalid_option_is_a_one_line_error(predictions: Maker, blast: str, percentage: float, message: str) -> None:
    with pytest.raises(LymphoscopeError, match=message):
        evaluate_subjects(predictions(), blast_class=blast, blast_threshold=percentage)


@pytest.mark.timing
def test_evaluating_a_hundred_subjects_takes_seconds(predictions: Maker) -> None:
    table = predictions(subjects=118, cells=10)
    start = time.perf_counter()
    evaluate_subjects(table, blast_class="all")
    assert time.perf_counter() - start < 10


def test_counts_equal_those_of_a_loop(predictions: Maker) -> None:
    table = predictions(subjects=7, cells=9, classes=("a", "b", "c")).sample(frac=1, random_state=0)
    generator = np.random.default_rng(0)
    table["label"] = generator.choice(["a", "b", "c", None], len(table))
    table["slide"] = generator.choice(["1", "2", None], len(table))
    table.loc[generator.random(len(table)) < 0.2, ["predicted", "error"]] = [None, "not an image"]
    table.loc[generator.random(len(table)) < 0.1, "subject"] = None
    table = as_predictions(table, ["a", "b", "c"])
    for by in (["subject"], ["subject", "slide"]):
        counts = count_cells(table, by, "b")
        for unit, (subject, slide) in enumerate(zip(counts.subjects, counts.slides, strict=True)):
            rows = [
                row
                for row in table.to_dict("records")
                if row["subject"] == subject and (slide is None or row["slide"] == slide)
            ]
            used = [row for row in rows if row["predicted"]]
            assert counts.cells[unit] == len(used)
            assert counts.predicted[unit] == sum(row["predicted"] == "b" for row in used)
            assert counts.positives[unit] == sum(row["label"] == "b" for row in used)
            assert counts.true_positives[unit] == sum(row["label"] == row["predicted"] == "b" for row in used)
            assert counts.negatives[unit] == sum(row["label"] in ("a", "c") for row in used)
            assert counts.true_negatives[unit] == sum(
                row["label"] in ("a", "c") and row["predicted"] != "b" for row in used
            )
            labels = [row["label"] for row in rows if row["label"]]
            commonest = sorted(set(labels), key=lambda name: (-labels.count(name), name))
            assert counts.labels[unit] == (commonest[0] if commonest else None)
        assert counts.subjects == sorted(counts.subjects)
        assert len(set(zip(counts.subjects, counts.slides, strict=True))) == len(counts.subjects)


def test_subject_without_labels_or_predictions_is_counted_with_0_cells(predictions: Maker) -> None:
    table = predictions(subjects=3, cells=4).assign(label=None)
    table.loc[table["subject"] == "S001", ["predicted", "error"]] = [None, "not an image"]
    table = as_predictions(table, ["all", "hem"])
    counts = count_cells(table, ["subject"], "all")
    assert counts.cells.tolist() == [4, 0, 4]
    assert counts.labels == [None] * 3
    assert count_cells(table, ["subject", "slide"], "all").cells.tolist() == []
