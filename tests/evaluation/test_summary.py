import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as reference

import lymphoscope
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import METRICS, as_predictions, evaluate_predictions
from lymphoscope.evaluation.evaluation_set import select_evaluation_set
from lymphoscope.evaluation.summary import subject_scores

Maker = Callable[..., pd.DataFrame]


def content(table: pd.DataFrame, **options: Any) -> dict[str, Any]:
    """What metrics.json holds."""
    return evaluate_predictions(table, **options).model_dump(mode="json")


def test_scores_of_vote_and_streams_equal_scikit_learn(predictions: Maker) -> None:
    table = predictions(subjects=20)
    result = content(table, blast_class="all", replicates=50)
    truth = table["label"] == "all"
    for name, column, score in [
        (None, "predicted", "score_all"),
        ("raw", "raw_vote", "raw_all"),
        ("erase", "erase_vote", "erase_all"),
    ]:
        evaluated = result["streams"][name] if name else result["vote"]
        predicted = table[column]
        assert evaluated["estimates"]["accuracy"]["value"] == pytest.approx((table["label"] == predicted).mean())
        assert evaluated["estimates"]["weighted_f1"]["value"] == pytest.approx(
            reference.f1_score(table["label"], predicted, average="weighted")
        )
        assert evaluated["estimates"]["auc"]["value"] == pytest.approx(reference.roc_auc_score(truth, table[score]))
        assert evaluated["estimates"]["sensitivity"]["value"] == pytest.approx((predicted[truth] == "all").mean())
        assert evaluated["estimates"]["specificity"]["value"] == pytest.approx((predicted[~truth] == "hem").mean())
    matrix = reference.confusion_matrix(table["label"], table["predicted"], labels=["all", "hem"])
    assert result["confusion"] == {"labels": ["all", "hem"], "matrix": matrix.tolist()}


def test_counts_and_subjects(predictions: Maker) -> None:
    known = predictions(subjects=4, cells=5)
    known.loc[:2, "label"] = None
    failed = {"path": "/cells/broken.png", "label": "all", "subject": "S000", "error": "empty file", "refer": True}
    table = as_predictions([*known.to_dict("records"), failed], ["all", "hem"])
    result = content(table, blast_class="all", replicates=20)
    counts = [result[name] for name in ("cells", "evaluated", "failed", "unlabelled", "subjects")]
    assert counts == [21, 17, 1, 3, 4]
    assert result["prevalence"] == pytest.approx(7 / 17)
    fractions = [row["accuracy"]["value"] for row in result["per_subject"]]
    assert fractions == sorted(fractions)  # worst first
    rows = {row["subject"]: row for row in result["per_subject"]}
    assert {subject: row["cells"] for subject, row in rows.items()} == {"S000": 2, "S001": 5, "S002": 5, "S003": 5}
    first = known[(known["subject"] == "S000") & known["label"].notna()]
    assert rows["S000"]["correct"] == (first["label"] == first["predicted"]).sum()
    assert rows["S000"]["blast_fraction"] == (first["predicted"] == "all").mean()
    assert result["referral"]["cells"] == table["refer"].sum()
    assert result["referral"]["reasons"].get("streams disagree", 0) == table["refer"].sum() - 1


def test_order_of_rows_changes_nothing(predictions: Maker) -> None:
    table = predictions()
    shuffled = table.sample(frac=1, random_state=3)
    for subject in (table["subject"], None):
        first = content(table.assign(subject=subject), blast_class="hem", replicates=50)
        again = content(
            shuffled.assign(subject=None if subject is None else shuffled["subject"]), blast_class="hem", replicates=50
        )
        assert first == again


def test_skipped_stream_is_evaluated_on_the_cells_for_which_it_ran(predictions: Maker) -> None:
    table = predictions()
    skipped = table["raw_vote"] == table["crop_vote"]
    table.loc[skipped, ["erase_vote", "erase_all", "erase_hem"]] = [None, np.nan, np.nan]
    erase = content(table, blast_class="all", replicates=20)["streams"]["erase"]
    ran = table[~skipped]
    assert erase["cells"] == len(ran) < len(table)
    assert erase["estimates"]["accuracy"]["value"] == pytest.approx((ran["label"] == ran["erase_vote"]).mean())
    assert str(len(ran)) in erase["note"]


def test_stream_that_never_ran_is_left_out(predictions: Maker) -> None:
    table = predictions().assign(crop_vote=None, erase_vote=None)
    assert set(content(table, blast_class="all", replicates=20)["streams"]) == {"raw"}


def test_without_subjects_the_unit_is_the_cell(predictions: Maker) -> None:
    table = predictions()
    table.loc[3, "subject"] = None
    result = content(table, blast_class="all", replicates=50)
    assert result["bootstrap"]["unit"] == "cell"
    assert "1 of 120 cells have no subject" in result["bootstrap"]["note"]
    assert (
        result["vote"]["estimates"]["accuracy"]["low"]
        < result["vote"]["estimates"]["accuracy"]["value"]
        < result["vote"]["estimates"]["accuracy"]["high"]
    )


@pytest.mark.parametrize("case", ["labels", "class", "subject", "predictions"])
def test_missing_estimates_are_null_with_a_reason(predictions: Maker, case: str) -> None:
    table = predictions()
    changed = {
        "labels": table.assign(label=None),
        "class": table[table["label"] == "all"],
        "subject": table[table["subject"].isin(["S000", "S001"])],
        "predictions": table.assign(predicted=None, error="not an image"),
    }[case]
    result = content(changed, blast_class="all", replicates=20)
    json.dumps(result, allow_nan=False)
    for metric in METRICS:
        entry = result["vote"]["estimates"][metric]
        assert (entry["low"] is None) == (entry["reason"] is not None)
        assert entry["value"] is not None or entry["reason"]
        assert result["constant_baselines"]["hem"]["estimates"][metric]["low"] is None
        assert result["constant_baselines"]["hem"]["estimates"][metric]["reason"]
    nulls = {metric for metric in METRICS if result["vote"]["estimates"][metric]["value"] is None}
    assert nulls == {"class": {"auc", "balanced_accuracy", "specificity"}, "subject": set()}.get(case, set(METRICS))


def test_eight_classes(predictions: Maker) -> None:
    table = predictions(subjects=24, classes=tuple("abcdefgh"))
    result = content(table, blast_class="c", replicates=20)
    scores = table[[f"score_{name}" for name in "abcdefgh"]]
    expected = reference.roc_auc_score(table["label"], scores, multi_class="ovr")
    assert result["vote"]["estimates"]["auc"]["value"] == pytest.approx(expected)
    assert result["constant_baselines"]["c"]["estimates"]["sensitivity"]["value"] == 1.0


def test_without_a_blast_class_sensitivity_and_specificity_are_undefined(predictions: Maker) -> None:
    table = predictions(subjects=9, classes=("lymphocyte", "monocyte", "basophil"))
    result = content(table, blast_class=None, replicates=20)
    json.dumps(result, allow_nan=False)
    assert (result["blast_class"], result["prevalence"]) == (None, None)
    assert result["per_subject"][0]["blast_fraction"] is None
    nulls = {metric for metric in METRICS if result["vote"]["estimates"][metric]["value"] is None}
    assert nulls == {name for name, metric in METRICS.items() if metric.needs in ("positives", "negatives")}
    assert result["vote"]["estimates"]["sensitivity"]["reason"] == "none of the classes is a blast class"
    two = predictions(classes=("monocyte", "basophil"))
    auc = content(two, blast_class=None, replicates=20)["vote"]["estimates"]["auc"]
    assert auc == content(two, blast_class="monocyte", replicates=20)["vote"]["estimates"]["auc"]


@pytest.mark.parametrize(("label", "blast", "message"), [("basophil", "all", "'basophil'"), ("all", "ALL", "'ALL'")])
def test_unknown_class_is_a_one_line_error(predictions: Maker, label: str, blast: str, message: str) -> None:
    with pytest.raises(LymphoscopeError, match=message):
        evaluate_predictions(predictions().assign(label=label), blast_class=blast)


@pytest.mark.timing
def test_evaluating_two_thousand_cells_takes_seconds(predictions: Maker) -> None:
    table = predictions(subjects=40, cells=50)
    start = time.perf_counter()
    content(table, blast_class="all", replicates=1000)
    assert time.perf_counter() - start < 10


@pytest.mark.timing
def test_scoring_a_hundred_thousand_cells_of_200_subjects_takes_less_than_20_seconds(
    predictions: Maker, tmp_path: Path
) -> None:
    """With every interval, and the page; of one core, whatever else the machine is doing."""
    table = predictions(subjects=200, cells=20)
    parts = [table.assign(path=table["path"].str.replace("/cells", f"/cells/{part}")) for part in range(25)]
    pd.concat(parts, ignore_index=True).to_parquet(tmp_path / "predictions.parquet")
    start = time.process_time()
    metrics = lymphoscope.score(tmp_path / "predictions.parquet", blast_class="all", out=tmp_path / "out")
    assert time.process_time() - start < 20
    assert (metrics.cells, metrics.subjects) == (100_000, 200)


def test_subject_scores_have_exact_intervals(predictions: Maker) -> None:
    table = predictions(subjects=9, cells=14)
    result = {row.subject: row for row in subject_scores(select_evaluation_set(table, "hem"))}
    assert set(result) == set(table["subject"])
    for subject, cells in table.groupby("subject"):
        correct = int((cells["label"] == cells["predicted"]).sum())
        row = result[subject]
        assert (row.cells, row.correct, row.label) == (14, correct, cells["label"].iloc[0])
        exact = stats.binomtest(correct, 14).proportion_ci(method="exact")
        assert (row.accuracy.value, row.accuracy.low, row.accuracy.high) == pytest.approx((correct / 14, *exact))
        assert row.blast_fraction == (cells["predicted"] == "hem").mean()


def test_subjects_are_sorted_by_accuracy_then_by_cells(predictions: Maker) -> None:
    table = predictions(subjects=4, cells=10)
    right = {"S000": 8, "S001": 10, "S002": 4, "S003": 5}
    place = table.groupby("subject").cumcount()
    wrong = place >= table["subject"].map(right)
    other = table["label"].map({"all": "hem", "hem": "all"})
    table["predicted"] = table["label"].where(~wrong, other)
    table = table[(table["subject"] != "S000") | place.isin([0, 1, 2, 3, 8, 9])]  # 4 of 6
    assert [row.subject for row in subject_scores(select_evaluation_set(table, "all"))] == [
        "S002",
        "S003",
        "S000",
        "S001",
    ]
    even = table.assign(predicted=table["label"])
    assert [row.subject for row in subject_scores(select_evaluation_set(even, "all"))] == [
        "S001",
        "S002",
        "S003",
        "S000",
    ]


def test_subject_scores_without_a_blast_class_or_subjects(predictions: Maker) -> None:
    assert {row.blast_fraction for row in subject_scores(select_evaluation_set(predictions(), None))} == {None}
    assert subject_scores(select_evaluation_set(predictions().assign(subject=None), None)) == []
    mixed = predictions(subjects=1, cells=4)
    mixed.loc[0, "label"] = "hem"
    assert subject_scores(select_evaluation_set(mixed, None))[0].label == "all, hem"


def test_means_over_subjects_weigh_every_subject_the_same(predictions: Maker) -> None:
    table = predictions(subjects=10, cells=20)
    table = table[(table["subject"] > "S003") | (table.index % 4 == 0)]  # four subjects with a quarter of the cells
    metrics = evaluate_predictions(table, blast_class="all", replicates=100)
    right = (table["label"] == table["predicted"]).groupby([table["label"], table["subject"]]).mean()
    for name, label in (("sensitivity", "all"), ("specificity", "hem")):
        mean, spread = metrics.subject_mean[name], metrics.subject_spread[name]
        assert mean.value == pytest.approx(right[label].mean())
        assert mean.low < mean.value < mean.high
        assert (spread.subjects, spread.mean) == pytest.approx((len(right[label]), right[label].mean()))
        assert (spread.lowest, spread.highest) == pytest.approx((right[label].min(), right[label].max()))
        assert spread.standard_deviation == pytest.approx(right[label].std())
    assert metrics.vote["sensitivity"].value != metrics.subject_mean["sensitivity"].value
    equal = evaluate_predictions(predictions(), blast_class="all", replicates=100)
    assert equal.subject_mean["sensitivity"].value == pytest.approx(equal.vote["sensitivity"].value)
    assert equal.subject_mean["sensitivity"].low == pytest.approx(equal.vote["sensitivity"].low)


def test_without_subjects_there_is_no_mean_over_them(predictions: Maker) -> None:
    metrics = evaluate_predictions(predictions().assign(subject=None), blast_class="all", replicates=20)
    assert metrics.subject_mean is None
    assert metrics.subject_spread == {}
