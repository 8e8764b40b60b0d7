from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from lymphoscope.evaluation import METRICS, Estimate, Metrics, evaluate_predictions
from lymphoscope.reports.sections import result

Maker = Callable[..., Any]


@pytest.fixture
def metrics(predictions: Maker) -> Metrics:
    return evaluate_predictions(predictions(), blast_class="all", replicates=30)


def with_balanced_accuracy(metrics: Metrics, **values: float | None) -> Metrics:
    vote = metrics.vote.model_copy(
        update={"estimates": metrics.vote.estimates | {"balanced_accuracy": Estimate.model_validate(values)}}
    )
    return metrics.model_copy(update={"vote": vote})


def test_verdict_compares_with_chance(metrics: Metrics) -> None:
    good = with_balanced_accuracy(metrics, value=0.8, low=0.7, high=0.9)
    assert "better than chance: balanced accuracy is 0.800 (0.700 to 0.900)" in str(result.verdict(good, "subject"))
    assert "little about new subjects" in str(result.verdict(good, "random"))
    assert "little about new subjects" not in str(result.verdict(good, "subject"))
    unsure = with_balanced_accuracy(metrics, value=0.8, low=0.5, high=0.9)
    assert "do not show that the model is better" in str(result.verdict(unsure, "subject"))
    assert "Without an interval" in str(result.verdict(with_balanced_accuracy(metrics, value=0.8), "subject"))
    assert result.verdict(with_balanced_accuracy(metrics, value=None), "subject") is None


def test_tiles_name_the_best_constant_prediction_only_if_it_is_a_baseline(metrics: Metrics) -> None:
    tiles = {tile.name: tile for tile in result.tiles(metrics)}
    best = max(scores["weighted_f1"].value or 0 for scores in metrics.constant_baselines.values())
    assert tiles["Weighted F1"].baseline.endswith(f"{best:.3f}")
    assert tiles["Sensitivity"].baseline == tiles["Specificity"].baseline == ""
    assert tiles["Sensitivity"].value == f"{metrics.vote['sensitivity'].value:.3f}"


def test_of_many_classes_the_best_baseline_and_that_of_the_blast_class_are_shown(predictions: Maker) -> None:
    table: pd.DataFrame = predictions(tuple("abcdefgh"), subjects=16)
    table = table[~((table["label"] == "d") & (table.index % 2 == 0))]
    many = evaluate_predictions(table, blast_class="d", replicates=5)
    shown = result.shown_baselines(many)
    assert len(shown) == 2
    assert shown[1] == "d"
    best = many.constant_baselines[shown[0]]["weighted_f1"].value
    assert best == max(scores["weighted_f1"].value or 0 for scores in many.constant_baselines.values())


def test_without_a_blast_class_its_columns_are_left_out(predictions: Maker) -> None:
    metrics = evaluate_predictions(predictions(("a", "b", "c")), blast_class=None, replicates=5)
    shown = [name for name, metric in METRICS.items() if not metric.needs_positive_class]
    assert result.shown_metrics(metrics) == shown
    assert {len(row.cells) for row in result.score_rows(metrics, "Vote")} == {len(shown)}
    assert "Sensitivity" not in dict(result.definitions(metrics))
    assert result.caveats(metrics) == []


def test_missing_values_have_their_reason(predictions: Maker) -> None:
    table = predictions()
    metrics = evaluate_predictions(table[table["label"] == "hem"], blast_class="all", replicates=5)
    assert any("AUC" in line and "no cell is labelled all" in line for line in result.caveats(metrics))


def test_every_metric_of_the_table_is_defined(metrics: Metrics) -> None:
    assert [name for name, _ in result.definitions(metrics)] == [metric.title for metric in METRICS.values()]
    assert all(text.endswith(".") for _, text in result.definitions(metrics))


def test_no_score_is_presented_as_a_probability_of_disease(metrics: Metrics) -> None:
    assert "not the probability of a disease" in dict(result.definitions(metrics))["AUC"]


def test_intervals_over_cells_are_said_to_be_too_narrow(predictions: Maker) -> None:
    metrics = evaluate_predictions(predictions().assign(subject=None), blast_class="all", replicates=5)
    assert "over cells (48 cells resampled" in result.interval_sentence(metrics)
    assert "too narrow" in result.interval_sentence(metrics)
