import dataclasses
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from lymphoscope.evaluation import METRICS, Estimate, Leak, Leakage, Metrics, applicable_metrics, evaluate_predictions
from lymphoscope.reports.sections import result

Maker = Callable[..., Any]


@pytest.fixture
def metrics(predictions: Maker) -> Metrics:
    return evaluate_predictions(predictions(), blast_class="all", replicates=30)


def with_estimates(contents: Any, **estimates: Estimate) -> Any:
    """The same contents with other estimates of the vote."""
    vote = contents.metrics.vote.model_copy(update={"estimates": contents.metrics.vote.estimates | estimates})
    return dataclasses.replace(contents, metrics=contents.metrics.model_copy(update={"vote": vote}))


def estimate(value: float | None, low: float | None = None, high: float | None = None) -> Estimate:
    return Estimate(value=value, low=low, high=high)


BETTER, WORSE, UNCLEAR = estimate(0.95, 0.9, 0.99), estimate(0.01, 0.0, 0.02), estimate(0.5, 0.01, 0.99)


def test_verdict_says_by_what_the_model_is_better_and_by_what_worse(predictions: Maker, contents: Maker) -> None:
    compared = {"balanced_accuracy": BETTER, "auc": BETTER, "weighted_f1": WORSE, "accuracy": UNCLEAR}
    shown = with_estimates(contents(predictions()), **dict.fromkeys(METRICS, estimate(0.5)) | compared)
    assert result.verdict(shown) == (
        "Compared with always predicting one class, the model is better by AUC (0.950 against 0.500) and balanced "
        "accuracy (0.950 against 0.500); worse by weighted F1 (0.010 against 0.333); not shown to differ by accuracy "
        "(0.500 against 0.500)."
    )


def test_verdict_claims_nothing_without_evidence(predictions: Maker, contents: Maker) -> None:
    names = [metric.name for metric in applicable_metrics(None)]
    unclear = with_estimates(contents(predictions()), **dict.fromkeys(names, UNCLEAR))
    assert "do not show that the model is better" in str(result.verdict(unclear))
    without = with_estimates(contents(predictions()), **dict.fromkeys(names, estimate(0.8)))
    assert "Without intervals" in str(result.verdict(without))
    unlabelled = contents(predictions().assign(label=None))
    assert result.verdict(unlabelled) is None


def test_verdict_after_a_random_split_says_little_about_new_subjects(predictions: Maker, contents: Maker) -> None:
    shown = with_estimates(contents(predictions()), balanced_accuracy=BETTER)
    split = shown.data.split.model_copy(update={"by": "random"})
    random = dataclasses.replace(shown, data=shown.data.model_copy(update={"split": split}))
    assert "little about new subjects" in str(result.verdict(random))
    assert "little about new subjects" not in str(result.verdict(shown))


def test_verdict_draws_no_conclusion_if_leaks_were_found_or_not_checked(predictions: Maker, contents: Maker) -> None:
    shown = with_estimates(contents(predictions()), balanced_accuracy=BETTER)
    leak = Leak(kind="subject", path="/cells/0.png", other="subject S0", detail="")
    found = Leakage(checked=["subjects"], allowed=True, leaking_cells=1, leaks=[leak])
    unchecked = Leakage(checked=[], allowed=False, leaking_cells=0, leaks=[], reason="nothing is known of the model")
    for leakage in (found, unchecked, None):
        metrics = shown.metrics.model_copy(update={"leakage": leakage})
        verdict = str(result.verdict(dataclasses.replace(shown, metrics=metrics)))
        assert verdict.startswith("No conclusion is drawn")
        assert "better" not in verdict


def test_tiles_name_the_best_constant_prediction_only_if_it_is_a_baseline(metrics: Metrics) -> None:
    tiles = {tile.name: tile for tile in result.tiles(metrics.model_copy(update={"subject_mean": None}))}
    best = max(scores["weighted_f1"].value or 0 for scores in metrics.constant_baselines.values())
    assert tiles["Weighted F1"].baseline.endswith(f"{best:.3f}")
    assert tiles["Sensitivity"].baseline == tiles["Specificity"].baseline == ""
    assert tiles["Sensitivity"].value == f"{metrics.vote['sensitivity'].value:.3f}"


def test_tiles_lead_with_the_averages_over_subjects(metrics: Metrics) -> None:
    tiles = {tile.name: tile for tile in result.tiles(metrics)}
    assert metrics.subject_mean is not None
    assert tiles["Sensitivity"].value == f"{metrics.subject_mean['sensitivity'].value:.3f}"
    assert {tile.baseline for tile in tiles.values()} == {""}


def test_rows_of_the_model_say_what_they_are_over(predictions: Maker, contents: Maker) -> None:
    names = [row.name for row in result.score_rows(contents(predictions()))]
    assert names[:2] == ["Vote of the streams, averaged over subjects", "Vote of the streams, over cells"]
    unknown = contents(predictions().assign(subject=None))
    assert result.score_rows(unknown)[0].name == "Vote of the streams"


def test_interval_sentence_names_linked_subjects(predictions: Maker) -> None:
    table = predictions()
    assert "share a cell was not looked for" in result.interval_sentence(
        evaluate_predictions(table, blast_class="all", replicates=5)
    )
    linked = table.assign(group=table["subject"].replace({"S0": "S0+S2", "S2": "S0+S2"}))
    text = result.interval_sentence(evaluate_predictions(linked, blast_class="all", replicates=5))
    assert "7 subjects resampled" in text
    assert "drawn together: S0 and S2." in text


def test_of_many_classes_the_best_baseline_and_that_of_the_blast_class_are_shown(predictions: Maker) -> None:
    table: pd.DataFrame = predictions(tuple("abcdefgh"), subjects=16)
    table = table[~((table["label"] == "d") & (table.index % 2 == 0))]
    many = evaluate_predictions(table, blast_class="d", replicates=5)
    shown = result.shown_baselines(many)
    assert len(shown) == 2
    assert shown[1] == "d"
    best = many.constant_baselines[shown[0]]["weighted_f1"].value
    assert best == max(scores["weighted_f1"].value or 0 for scores in many.constant_baselines.values())


def test_without_a_blast_class_its_columns_are_left_out(predictions: Maker, contents: Maker) -> None:
    shown = contents(predictions(("a", "b", "c")), None)
    titles = [metric.title for metric in applicable_metrics(None)]
    rows = result.score_rows(shown)
    assert all([title for title, _ in row.cells] == titles for row in rows)
    assert "Sensitivity" not in dict(result.definitions(shown))
    assert result.caveats(shown.metrics) == []


def test_missing_values_have_their_reason(predictions: Maker) -> None:
    table = predictions()
    metrics = evaluate_predictions(table[table["label"] == "hem"], blast_class="all", replicates=5)
    assert any("AUC" in line and "no cell is labelled all" in line for line in result.caveats(metrics))


def test_every_metric_of_the_table_is_defined(predictions: Maker, contents: Maker) -> None:
    shown = contents(predictions())
    assert [name for name, _ in result.definitions(shown)] == [metric.title for metric in METRICS.values()]
    assert all(text.endswith(".") for _, text in result.definitions(shown))


def test_no_score_is_presented_as_a_probability_of_disease(predictions: Maker, contents: Maker) -> None:
    shown = contents(predictions())
    assert "not the probability of a disease" in dict(result.definitions(shown))["AUC"]


def test_intervals_over_cells_are_said_to_be_too_narrow(predictions: Maker) -> None:
    metrics = evaluate_predictions(predictions().assign(subject=None), blast_class="all", replicates=5)
    assert "over cells (48 cells resampled" in result.interval_sentence(metrics)
    assert "too narrow" in result.interval_sentence(metrics)
