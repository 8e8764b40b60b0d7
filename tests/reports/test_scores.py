from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from lymphoscope.evaluation import evaluate_predictions
from lymphoscope.reports import scores

Maker = Callable[..., Any]


def content(table: pd.DataFrame, **words: Any) -> dict[str, Any]:
    """What metrics.json holds."""
    return evaluate_predictions(table, **words).model_dump(mode="json")


@pytest.fixture
def metrics(predictions: Maker) -> dict[str, Any]:
    return content(predictions(), blast_class="all", replicates=30)


def test_numbers_are_rounded_and_never_invented() -> None:
    assert scores.number(0.89851) == "0.899"
    assert scores.number(0.0) == "0.000"
    assert scores.number(None) == scores.NOTHING
    assert scores.interval({"value": 1.0, "low": None, "high": None}) == ""


def test_the_verdict_asks_whether_guessing_does_as_well(metrics: dict[str, Any]) -> None:
    entry = metrics["vote"]["balanced_accuracy"]
    entry |= {"value": 0.8, "low": 0.7, "high": 0.9}
    assert "better than guessing: balanced accuracy is 0.800 (0.700 to 0.900)" in scores.verdict(metrics, "subject")
    assert "little about new subjects" in scores.verdict(metrics, "random")
    assert "little about new subjects" not in scores.verdict(metrics, "subject")
    entry |= {"low": 0.5}
    assert "do not show that the model does better" in scores.verdict(metrics, "subject")
    entry |= {"low": None, "high": None}
    assert "Without an interval" in scores.verdict(metrics, "subject")
    entry |= {"value": None}
    assert scores.verdict(metrics, "subject") is None


def test_tiles_name_the_best_guess_only_where_it_is_a_yardstick(metrics: dict[str, Any]) -> None:
    tiles = {tile["name"]: tile for tile in scores.tiles(metrics)}
    best = max(guess["weighted_f1"]["value"] for guess in metrics["constant"].values())
    assert tiles["Weighted F1"]["guess"].endswith(f"{best:.3f}")
    assert tiles["Sensitivity"]["guess"] == tiles["Specificity"]["guess"] == ""
    assert tiles["Sensitivity"]["value"] == f"{metrics['vote']['sensitivity']['value']:.3f}"


def test_of_many_classes_the_best_guess_and_the_blast_are_shown(predictions: Maker) -> None:
    table = predictions(tuple("abcdefgh"), subjects=16)
    table = table[~((table["label"] == "d") & (table.index % 2 == 0))]
    many = content(table, blast_class="d", replicates=5)
    shown = scores.guesses(many)
    assert len(shown) == 2
    assert shown[1] == "d"
    best = many["constant"][shown[0]]["weighted_f1"]["value"]
    assert best == max(guess["weighted_f1"]["value"] for guess in many["constant"].values())


def test_without_a_blast_class_its_columns_are_gone(predictions: Maker) -> None:
    table = predictions(("a", "b", "c"))
    found = content(table, blast_class=None, replicates=5)
    assert scores.shown_metrics(found) == ["accuracy", "weighted_f1", "auc", "balanced_accuracy"]
    assert {len(row["cells"]) for row in scores.score_rows(found, "Vote")} == {4}
    assert "Sensitivity" not in dict(scores.definitions(found))
    assert scores.reasons(found) == []


def test_what_is_missing_has_its_reason(predictions: Maker) -> None:
    table = predictions()
    found = content(table[table["label"] == "hem"], blast_class="all", replicates=5)
    assert any("AUC" in line and "no cell is labelled all" in line for line in scores.reasons(found))


def test_every_number_of_the_table_is_defined(metrics: dict[str, Any]) -> None:
    assert [name for name, _ in scores.definitions(metrics)] == list(scores.NAMES.values())
    assert all(text.endswith(".") for _, text in scores.definitions(metrics))


def test_no_score_is_called_a_probability_of_disease(metrics: dict[str, Any]) -> None:
    about = dict(scores.definitions(metrics))["AUC"]
    assert "not the chance of a disease" in about


def test_intervals_over_cells_say_that_they_are_too_narrow(predictions: Maker) -> None:
    found = content(predictions().assign(subject=None), blast_class="all", replicates=5)
    assert "over cells (48 cells drawn anew" in scores.how_intervals(found)
    assert "too narrow" in scores.how_intervals(found)
