from collections.abc import Callable

import pandas as pd
import pytest

from lymphoscope.evaluation import evaluate_predictions
from lymphoscope.evaluation.predictive_value import PREVALENCES, negative_value, positive_value

Maker = Callable[..., pd.DataFrame]


@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.99])
def test_predictive_values_are_fractions_of_a_contingency_table(fraction: float) -> None:
    sensitivity, specificity, cells = 0.8, 0.9, 1e6
    blasts, others = fraction * cells, (1 - fraction) * cells
    true_positive, false_positive = sensitivity * blasts, (1 - specificity) * others
    true_negative, false_negative = specificity * others, (1 - sensitivity) * blasts
    assert positive_value(sensitivity, specificity, fraction) == pytest.approx(
        true_positive / (true_positive + false_positive)
    )
    assert negative_value(sensitivity, specificity, fraction) == pytest.approx(
        true_negative / (true_negative + false_negative)
    )
    assert positive_value(0.0, 1.0, fraction) is None


def test_at_their_own_prevalence_they_are_those_of_the_confusion_matrix(predictions: Maker) -> None:
    table = predictions(subjects=20)
    metrics = evaluate_predictions(table, blast_class="all", replicates=100)
    assert [row.prevalence for row in metrics.predictive_values] == sorted({*PREVALENCES, 0.5})
    (own,) = [row for row in metrics.predictive_values if row.of_these_cells]
    (a, b), (c, d) = metrics.confusion.matrix
    assert own.positive_value.value == pytest.approx(a / (a + c))
    assert own.negative_value.value == pytest.approx(d / (b + d))
    assert own.referred == pytest.approx(table["refer"].mean())
    for row in metrics.predictive_values:
        for each in (row.positive_value, row.negative_value):
            assert each.low <= each.value <= each.high


def test_without_sensitivity_and_specificity_there_are_none(predictions: Maker) -> None:
    table = predictions()
    assert evaluate_predictions(table, blast_class=None, replicates=20).predictive_values == []
    blasts = table[table["label"] == "all"]
    assert evaluate_predictions(blasts, blast_class="all", replicates=20).predictive_values == []


def test_a_model_that_never_predicts_blasts_has_no_positive_value(predictions: Maker) -> None:
    table = predictions().assign(predicted="hem")
    row = evaluate_predictions(table, blast_class="all", replicates=20).predictive_values[0]
    assert (row.positive_value.value, row.positive_value.reason) == (None, "no cell is predicted so")
    assert row.negative_value.value == pytest.approx(0.99)
