from collections.abc import Callable

import pandas as pd
import pytest
from scipy import stats

from lymphoscope.evaluation.evaluation_set import select_evaluation_set
from lymphoscope.evaluation.summary import subject_scores

Maker = Callable[..., pd.DataFrame]


def test_each_subject_has_its_cells_and_an_exact_interval(predictions: Maker) -> None:
    table = predictions(subjects=9, cells=14)
    found = {row.subject: row for row in subject_scores(select_evaluation_set(table, "hem"))}
    assert set(found) == set(table["subject"])
    for subject, cells in table.groupby("subject"):
        correct = int((cells["label"] == cells["predicted"]).sum())
        row = found[subject]
        assert (row.cells, row.correct, row.label) == (14, correct, cells["label"].iloc[0])
        exact = stats.binomtest(correct, 14).proportion_ci(method="exact")
        assert (row.accuracy.value, row.accuracy.low, row.accuracy.high) == pytest.approx((correct / 14, *exact))
        assert row.blast_fraction == (cells["predicted"] == "hem").mean()


def test_the_worst_stands_first_and_of_equals_the_one_with_more_cells(predictions: Maker) -> None:
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


def test_without_a_blast_class_or_subjects_there_is_less_to_say(predictions: Maker) -> None:
    assert {row.blast_fraction for row in subject_scores(select_evaluation_set(predictions(), None))} == {None}
    assert subject_scores(select_evaluation_set(predictions().assign(subject=None), None)) == []
    mixed = predictions(subjects=1, cells=4)
    mixed.loc[0, "label"] = "hem"
    assert subject_scores(select_evaluation_set(mixed, None))[0].label == "all, hem"
