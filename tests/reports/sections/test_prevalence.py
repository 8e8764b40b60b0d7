from collections.abc import Callable
from typing import Any

import pytest

from lymphoscope.reports.sections import prevalence

Maker = Callable[..., Any]


@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.99])
def test_predictive_values_are_fractions_of_a_contingency_table(fraction: float) -> None:
    sensitivity, specificity, cells = 0.8, 0.9, 1e6
    blasts, others = fraction * cells, (1 - fraction) * cells
    true_positive, false_positive = sensitivity * blasts, (1 - specificity) * others
    true_negative, false_negative = specificity * others, (1 - sensitivity) * blasts
    assert prevalence.positive_value(sensitivity, specificity, fraction) == pytest.approx(
        true_positive / (true_positive + false_positive)
    )
    assert prevalence.negative_value(sensitivity, specificity, fraction) == pytest.approx(
        true_negative / (true_negative + false_negative)
    )
    assert prevalence.positive_value(0.0, 1.0, fraction) is None


def test_at_their_own_prevalence_they_are_those_of_the_confusion_matrix(predictions: Maker, contents: Maker) -> None:
    shown = contents(predictions())
    (own,) = [row for row in prevalence.prevalence_rows(shown) if row.is_own]
    (a, b), (c, d) = shown.metrics.confusion.matrix
    assert own.positive_value.value == pytest.approx(a / (a + c))
    assert own.negative_value.value == pytest.approx(d / (b + d))
    assert own.referred == pytest.approx(shown.predictions["refer"].mean())
    for row in prevalence.prevalence_rows(shown):
        assert (row.positive_value.low or 0) <= (row.positive_value.value or 0) <= (row.positive_value.high or 1)


def test_section_is_left_out_without_a_blast_class_or_labels(predictions: Maker, contents: Maker) -> None:
    assert prevalence.build(contents(predictions())) is not None
    assert prevalence.build(contents(predictions(("a", "b")), None)) is None
    assert prevalence.build(contents(predictions().assign(label=None))) is None
