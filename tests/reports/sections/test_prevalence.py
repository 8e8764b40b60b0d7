from collections.abc import Callable
from typing import Any

from lymphoscope.reports.sections import prevalence

Maker = Callable[..., Any]


def test_section_shows_the_values_of_metrics_json(predictions: Maker, contents: Maker) -> None:
    shown = contents(predictions())
    section = prevalence.build(shown)
    assert section is not None
    assert section.values["rows"] == shown.metrics.predictive_values


def test_section_is_left_out_without_a_blast_class_or_labels(predictions: Maker, contents: Maker) -> None:
    assert prevalence.build(contents(predictions())) is not None
    assert prevalence.build(contents(predictions(("a", "b")), None)) is None
    assert prevalence.build(contents(predictions().assign(label=None))) is None


def test_a_reason_that_holds_for_every_prevalence_is_given_once(predictions: Maker, contents: Maker) -> None:
    section = prevalence.build(contents(predictions(subjects=2)))
    assert section is not None
    assert section.values["reasons"] == ["PPV, NPV \u2013 no interval: sensitivity or specificity has no interval."]
