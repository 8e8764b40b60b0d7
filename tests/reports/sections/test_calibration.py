import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from lymphoscope.evaluation import Estimate, evaluate_predictions
from lymphoscope.referral import Calibration
from lymphoscope.reports.sections import calibration, model

Maker = Callable[..., Any]


def test_bins_with_cells_are_dots(predictions: Maker) -> None:
    measured = evaluate_predictions(predictions(), blast_class="all", replicates=5).calibration
    assert measured is not None
    dots = calibration.reliability_figure(measured).axes[0].collections[0].get_offsets()
    assert dots.tolist() == [[each.score, each.correct] for each in measured.bins if each.cells]


def test_calibrated_and_plain_scores_are_compared_only_if_calibrated(predictions: Maker, contents: Maker) -> None:
    plain = contents(predictions())
    assert len(calibration.build(plain).values["rows"]) == 1
    fitted = Calibration(temperature=1.5, cells=100, subjects=8, how="calibration subjects")
    description = plain.description.model_copy(update={"calibration": fitted})
    section = calibration.build(contents(predictions(), description=description))
    assert len(section.values["rows"]) == 2
    assert "temperature 1.50, fitted on 100 cells of 8 calibration subjects." in section.values["lead"]
    assert "Warning" not in section.values["lead"]


@pytest.mark.parametrize(
    ("temperature", "cells", "subjects", "warning"),
    [(20.0, 2, 2, "too little to fit"), (1.5, 100, 4, "too little to fit"), (20.0, 500, 20, "limit of its range")],
)
def test_a_temperature_that_cannot_be_trusted_is_warned_of(
    predictions: Maker, contents: Maker, temperature: float, cells: int, subjects: int, warning: str
) -> None:
    fitted = Calibration(temperature=temperature, cells=cells, subjects=subjects, how="calibration subjects")
    description = contents(predictions()).description.model_copy(update={"calibration": fitted})
    assert warning in calibration.calibration_facts(description, folds=False)


def test_model_and_calibration_sections_agree(predictions: Maker, contents: Maker) -> None:
    fitted = Calibration(temperature=1.5, cells=100, subjects=8, how="calibration subjects")
    plain = contents(predictions())
    for described in (plain.description, plain.description.model_copy(update={"calibration": fitted})):
        shown = contents(predictions(), description=described)
        stated = dict(model.model_facts(shown, described))["Calibration of the score"]
        assert calibration.build(shown).values["lead"].startswith(stated)


def test_reasons_name_a_row_only_where_the_other_has_what_it_lacks(predictions: Maker, contents: Maker) -> None:
    fitted = Calibration(temperature=1.5, cells=100, subjects=8, how="calibration subjects")
    plain = contents(predictions())
    both = contents(predictions(), description=plain.description.model_copy(update={"calibration": fitted}))
    for shown in (plain, both):
        reasons = calibration.build(shown).values["reasons"]
        assert sum("Expected calibration error" in reason for reason in reasons) == 1
        assert not any("as predicted" in reason.lower() for reason in reasons)
    errors = both.metrics.calibration
    assert errors is not None
    one_lacks = errors.model_copy(update={"uncalibrated": {**errors.uncalibrated, "ece": Estimate(value=0.5)}})
    metrics = both.metrics.model_copy(update={"calibration": one_lacks})
    reasons = calibration.build(dataclasses.replace(both, metrics=metrics)).values["reasons"]
    assert any("Expected calibration error (as predicted)" in reason for reason in reasons)
