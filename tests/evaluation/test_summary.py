import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import METRICS, as_predictions, evaluate_predictions

Maker = Callable[..., pd.DataFrame]


def content(table: pd.DataFrame, **words: Any) -> dict[str, Any]:
    """What metrics.json holds."""
    return evaluate_predictions(table, **words).model_dump(mode="json")


def test_numbers_are_scikit_learns_for_the_vote_and_each_stream(predictions: Maker) -> None:
    table = predictions(subjects=20)
    found = content(table, blast_class="all", replicates=50)
    truth = table["label"] == "all"
    for name, column, score in [
        (None, "predicted", "score_all"),
        ("raw", "raw_vote", "raw_all"),
        ("erase", "erase_vote", "erase_all"),
    ]:
        judged = found["streams"][name] if name else found["vote"]
        said = table[column]
        assert judged["estimates"]["accuracy"]["value"] == pytest.approx((table["label"] == said).mean())
        assert judged["estimates"]["weighted_f1"]["value"] == pytest.approx(
            reference.f1_score(table["label"], said, average="weighted")
        )
        assert judged["estimates"]["auc"]["value"] == pytest.approx(reference.roc_auc_score(truth, table[score]))
        assert judged["estimates"]["sensitivity"]["value"] == pytest.approx((said[truth] == "all").mean())
        assert judged["estimates"]["specificity"]["value"] == pytest.approx((said[~truth] == "hem").mean())
    matrix = reference.confusion_matrix(table["label"], table["predicted"], labels=["all", "hem"])
    assert found["confusion"] == {"labels": ["all", "hem"], "matrix": matrix.tolist()}


def test_counts_and_subjects(predictions: Maker) -> None:
    known = predictions(subjects=4, cells=5)
    known.loc[:2, "label"] = None
    failed = {"path": "/cells/broken.png", "label": "all", "subject": "S000", "error": "empty file", "refer": True}
    table = as_predictions([*known.to_dict("records"), failed], ["all", "hem"])
    found = content(table, blast_class="all", replicates=20)
    counts = [found[name] for name in ("cells", "evaluated", "failed", "unlabelled", "subjects")]
    assert counts == [21, 17, 1, 3, 4]
    assert found["prevalence"] == pytest.approx(7 / 17)
    fractions = [row["accuracy"]["value"] for row in found["per_subject"]]
    assert fractions == sorted(fractions)  # worst first
    rows = {row["subject"]: row for row in found["per_subject"]}
    assert {subject: row["cells"] for subject, row in rows.items()} == {"S000": 2, "S001": 5, "S002": 5, "S003": 5}
    first = known[(known["subject"] == "S000") & known["label"].notna()]
    assert rows["S000"]["correct"] == (first["label"] == first["predicted"]).sum()
    assert rows["S000"]["blast_fraction"] == (first["predicted"] == "all").mean()
    assert found["referral"]["cells"] == table["refer"].sum()
    assert found["referral"]["reasons"].get("streams disagree", 0) == table["refer"].sum() - 1


def test_order_of_rows_changes_nothing(predictions: Maker) -> None:
    table = predictions()
    shuffled = table.sample(frac=1, random_state=3)
    for subject in (table["subject"], None):
        first = content(table.assign(subject=subject), blast_class="hem", replicates=50)
        again = content(
            shuffled.assign(subject=None if subject is None else shuffled["subject"]), blast_class="hem", replicates=50
        )
        assert first == again


def test_a_skipped_stream_is_judged_where_it_ran(predictions: Maker) -> None:
    table = predictions()
    skipped = table["raw_vote"] == table["crop_vote"]
    table.loc[skipped, ["erase_vote", "erase_all", "erase_hem"]] = [None, np.nan, np.nan]
    erase = content(table, blast_class="all", replicates=20)["streams"]["erase"]
    ran = table[~skipped]
    assert erase["cells"] == len(ran) < len(table)
    assert erase["estimates"]["accuracy"]["value"] == pytest.approx((ran["label"] == ran["erase_vote"]).mean())
    assert str(len(ran)) in erase["note"]


def test_a_stream_that_never_ran_is_left_out(predictions: Maker) -> None:
    table = predictions().assign(crop_vote=None, erase_vote=None)
    assert set(content(table, blast_class="all", replicates=20)["streams"]) == {"raw"}


def test_without_subjects_the_cell_is_the_unit_and_it_says_so(predictions: Maker) -> None:
    table = predictions()
    table.loc[3, "subject"] = None
    found = content(table, blast_class="all", replicates=50)
    assert found["bootstrap"]["unit"] == "cell"
    assert "1 of 120 cells have no subject" in found["bootstrap"]["note"]
    assert (
        found["vote"]["estimates"]["accuracy"]["low"]
        < found["vote"]["estimates"]["accuracy"]["value"]
        < found["vote"]["estimates"]["accuracy"]["high"]
    )


@pytest.mark.parametrize("case", ["labels", "class", "subject", "predictions"])
def test_what_cannot_be_had_is_null_with_a_reason_and_valid_json(predictions: Maker, case: str) -> None:
    table = predictions()
    changed = {
        "labels": table.assign(label=None),
        "class": table[table["label"] == "all"],
        "subject": table[table["subject"].isin(["S000", "S001"])],
        "predictions": table.assign(predicted=None, error="not an image"),
    }[case]
    found = content(changed, blast_class="all", replicates=20)
    json.dumps(found, allow_nan=False)
    for metric in METRICS:
        entry = found["vote"]["estimates"][metric]
        assert (entry["low"] is None) == (entry["reason"] is not None)
        assert entry["value"] is not None or entry["reason"]
        assert found["constant_baselines"]["hem"]["estimates"][metric]["low"] is None
        assert found["constant_baselines"]["hem"]["estimates"][metric]["reason"]
    nulls = {metric for metric in METRICS if found["vote"]["estimates"][metric]["value"] is None}
    assert nulls == {"class": {"auc", "balanced_accuracy", "specificity"}, "subject": set()}.get(case, set(METRICS))


def test_eight_classes(predictions: Maker) -> None:
    table = predictions(subjects=24, classes=tuple("abcdefgh"))
    found = content(table, blast_class="c", replicates=20)
    scores = table[[f"score_{name}" for name in "abcdefgh"]]
    expected = reference.roc_auc_score(table["label"], scores, multi_class="ovr")
    assert found["vote"]["estimates"]["auc"]["value"] == pytest.approx(expected)
    assert found["constant_baselines"]["c"]["estimates"]["sensitivity"]["value"] == 1.0


def test_classes_without_a_blast_among_them(predictions: Maker) -> None:
    table = predictions(subjects=9, classes=("lymphocyte", "monocyte", "basophil"))
    found = content(table, blast_class=None, replicates=20)
    json.dumps(found, allow_nan=False)
    assert (found["blast_class"], found["prevalence"]) == (None, None)
    assert found["per_subject"][0]["blast_fraction"] is None
    nulls = {metric for metric in METRICS if found["vote"]["estimates"][metric]["value"] is None}
    assert nulls == {"sensitivity", "specificity"}
    assert found["vote"]["estimates"]["sensitivity"]["reason"] == "none of the classes is a blast class"
    two = predictions(classes=("monocyte", "basophil"))
    auc = content(two, blast_class=None, replicates=20)["vote"]["estimates"]["auc"]
    assert auc == content(two, blast_class="monocyte", replicates=20)["vote"]["estimates"]["auc"]


@pytest.mark.parametrize(("label", "blast", "words"), [("basophil", "all", "'basophil'"), ("all", "ALL", "'ALL'")])
def test_unknown_classes_get_one_line(predictions: Maker, label: str, blast: str, words: str) -> None:
    with pytest.raises(LymphoscopeError, match=words):
        evaluate_predictions(predictions().assign(label=label), blast_class=blast)


@pytest.mark.timing
def test_two_thousand_cells_take_seconds(predictions: Maker) -> None:
    table = predictions(subjects=40, cells=50)
    start = time.perf_counter()
    content(table, blast_class="all", replicates=1000)
    assert time.perf_counter() - start < 10
