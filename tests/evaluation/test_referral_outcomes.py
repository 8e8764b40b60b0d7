from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from lymphoscope.evaluation import as_predictions, evaluate_predictions
from lymphoscope.evaluation.schema import Referral

Maker = Callable[..., pd.DataFrame]


def refer(table: pd.DataFrame, blast_class: str | None = "all", **options: float) -> Referral:
    return evaluate_predictions(table, blast_class=blast_class, replicates=200, **options).referral


def test_missed_blast_is_predicted_as_another_class_and_not_referred(predictions: Maker) -> None:
    table = predictions(subjects=20, cells=20)
    blasts = table[table["label"] == "all"]
    missed = (blasts["predicted"] == "hem") & ~blasts["refer"]
    kept = table[~table["refer"]]
    result = refer(table, stated_miss_rate=0.01)
    assert result.missed_blasts.value == pytest.approx(missed.mean())
    assert result.missed_blasts.low < missed.mean() < result.missed_blasts.high
    assert result.accepted_cells == len(kept)
    assert result.accepted_accuracy.value == pytest.approx((kept["label"] == kept["predicted"]).mean())
    assert result.accepted_accuracy.low < result.accepted_accuracy.value < result.accepted_accuracy.high
    assert result.stated_miss_rate == 0.01


def test_missed_blasts_of_subjects_weigh_every_subject_alike(predictions: Maker) -> None:
    """The promise of a referral is about the average of the next subject, not about the cells of a large one."""
    table = predictions(subjects=20, cells=20, seed=2)
    few = table.groupby("subject").cumcount() < np.where(table["subject"] > "S009", 4, 20)
    blasts = table[few & (table["label"] == "all")]
    missed = ((blasts["predicted"] == "hem") & ~blasts["refer"]).groupby(blasts["subject"]).mean()
    result = refer(table[few])
    assert result.missed_blasts_of_subjects.value == pytest.approx(missed.mean())
    assert result.missed_blasts_of_subjects.value != pytest.approx(result.missed_blasts.value)
    assert result.missed_blasts_of_subjects.low < missed.mean() < result.missed_blasts_of_subjects.high
    assert refer(table.assign(subject=None)).missed_blasts_of_subjects is None


def test_every_reason_of_every_row_is_counted(predictions: Maker) -> None:
    known = predictions(subjects=4, cells=5).assign(refer=False, refer_reason=None)
    known.loc[0, ["refer", "refer_reason"]] = [True, "streams disagree; out of focus"]
    known.loc[1, ["refer", "refer_reason", "label"]] = [True, "out of focus", None]
    failed = {"path": "/broken.png", "error": "empty file", "refer": True, "refer_reason": "unreadable"}
    result = refer(as_predictions([*known.to_dict("records"), failed], ["all", "hem"]))
    assert (result.cells, result.fraction) == (3, 3 / 21)
    assert result.reasons == {"out of focus": 2, "streams disagree": 1, "unreadable": 1}
    assert result.accepted_cells == 18  # evaluated and not referred


def test_no_missed_blast_has_the_exact_upper_bound_over_subjects(predictions: Maker) -> None:
    table = predictions(subjects=20, cells=20)
    result = refer(table.assign(refer=table["refer"] | (table["label"] != table["predicted"])))
    assert result.missed_blasts.value == 0
    assert result.missed_blasts.high == pytest.approx(1 - 0.05 ** (1 / 10))  # ten subjects have blasts
    assert result.accepted_accuracy.value == 1


@pytest.mark.parametrize("case", ["all referred", "no blast class", "no blasts", "no labels"])
def test_missing_estimates_have_a_reason(predictions: Maker, case: str) -> None:
    table = predictions()
    changed, blast, missed, kept = {
        "all referred": (table.assign(refer=True), "all", None, "every cell is referred"),
        "no blast class": (table, None, "none of the classes is a blast class", None),
        "no blasts": (table[table["label"] == "hem"], "all", "no cell is labelled all", None),
        "no labels": (table.assign(label=None), "all", *["no cell has both a label and a prediction"] * 2),
    }[case]
    result = refer(changed, blast)
    assert result.missed_blasts.reason == missed
    assert result.accepted_accuracy.reason == kept
    assert (result.missed_blasts.value is None) == (missed is not None)
    assert (result.accepted_accuracy.value is None) == (kept is not None)
    assert np.isfinite(result.fraction)
