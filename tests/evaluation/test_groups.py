"""Subjects who share a cell are one unit of every bootstrap and test."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import compare_predictions, evaluate_predictions, evaluate_subjects
from lymphoscope.evaluation.bootstrap import linked_subjects, unit_names

Maker = Callable[..., pd.DataFrame]


def linked(table: pd.DataFrame) -> pd.DataFrame:
    """Subjects S000 and S002, both of class all, share a cell."""
    return table.assign(group=table["subject"].replace({"S000": "S000+S002", "S002": "S000+S002"}))


def test_linked_subjects_give_the_interval_of_one_subject_with_all_their_cells(predictions: Maker) -> None:
    table = predictions(subjects=12)
    of_group = evaluate_predictions(linked(table), blast_class="all", replicates=200)
    merged = table.assign(subject=linked(table)["group"])
    of_merged = evaluate_predictions(merged, blast_class="all", replicates=200)
    assert of_group.vote == of_merged.vote
    assert of_group.vote != evaluate_predictions(table, blast_class="all", replicates=200).vote
    assert (of_group.subjects, of_group.bootstrap.units) == (12, 11)
    assert of_group.bootstrap.linked_subjects == [["S000", "S002"]]


def test_without_groups_it_is_not_known_whether_subjects_are_linked(predictions: Maker) -> None:
    bootstrap = evaluate_predictions(predictions(), blast_class="all", replicates=100).bootstrap
    assert (bootstrap.units, bootstrap.linked_subjects) == (12, None)
    alone = predictions().assign(group=lambda table: table["subject"])
    assert evaluate_predictions(alone, blast_class="all", replicates=100).bootstrap.linked_subjects == []


def test_correction_of_a_subject_leaves_its_linked_subjects_out(predictions: Maker) -> None:
    table = linked(predictions(subjects=12, cells=20))
    result = {row.subject: row for row in evaluate_subjects(table, blast_class="all").subjects}["S002"]
    others = table[~table["subject"].isin(["S000", "S002"])]
    sensitivity = (others["predicted"] == "all")[others["label"] == "all"].mean()
    specificity = (others["predicted"] == "hem")[others["label"] == "hem"].mean()
    expected = np.clip((result.share.value + specificity - 1) / (sensitivity + specificity - 1), 0, 1)
    assert result.corrected.value == pytest.approx(expected)


def test_auc_of_subjects_draws_linked_subjects_together(predictions: Maker) -> None:
    table = predictions(subjects=10, cells=8, seed=3)
    alone, together = (evaluate_subjects(each, blast_class="all").auc for each in (table, linked(table)))
    assert alone.value == together.value
    assert alone != together


def test_comparison_flips_linked_subjects_together(predictions: Maker) -> None:
    one = predictions(subjects=12)
    other = predictions(subjects=12, seed=5).assign(path=one["path"])
    merged = [table.assign(subject=linked(table)["group"]) for table in (one, other)]
    expected = compare_predictions(*merged, blast_class="all", replicates=100)
    for pair in ((linked(one), linked(other)), (linked(one), other), (one, linked(other))):
        result = compare_predictions(*pair, blast_class="all", replicates=100)
        assert (result.discordant, result.auc_test) == (expected.discordant, expected.auc_test)
        assert result.differences == expected.differences


def test_a_subject_of_two_groups_is_refused(predictions: Maker) -> None:
    table = linked(predictions())
    table.loc[0, "group"] = "another"
    with pytest.raises(LymphoscopeError, match="subject S000 is in the groups S000\\+S002 and another"):
        evaluate_predictions(table, blast_class="all")


def test_empty_groups_are_the_subjects(predictions: Maker) -> None:
    table = predictions().assign(group=None)
    assert unit_names(table).tolist() == table["subject"].tolist()
    assert linked_subjects(table) is None
