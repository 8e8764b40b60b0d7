import numpy as np
import pytest
from pydantic import ValidationError

from lymphoscope.referral import Promise, ScoreBand
from lymphoscope.referral.score_band import MARGIN, MAX_DIFFERENCE, percent

MISS = Promise(stated=0.01, rate=0.01, subjects=120, cells=900)
FALSE_ALARM = Promise(stated=0.05, rate=0.05, subjects=40, cells=800)
BAND = ScoreBand(low=0.2, high=0.7, method="risk_control", kind="average", miss=MISS, false_alarm=FALSE_ALARM)


def test_band_edges_and_nan_are_referred() -> None:
    scores = [0.19, 0.2, 0.5, 0.7, 0.71, np.nan]
    assert BAND.refers(scores).tolist() == [False, True, True, True, False, True]


def test_a_prediction_against_the_score_is_referred() -> None:
    assert BAND.refers([0.1, 0.9, 0.1, 0.9], [True, False, False, True]).tolist() == [True, True, False, False]


def test_a_side_without_a_promise_signs_nothing_off() -> None:
    band = BAND.model_copy(update={"low": 0.0, "miss": MISS.model_copy(update={"rate": None})})
    assert band.lacks_promise([0.0, 0.1, 0.6, 0.9]).tolist() == [True, True, False, False]
    assert band.refers([0.0, 0.1, 0.6, 0.9]).tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"low": 0.6}, "less than or equal to 0.5"),
        ({"high": 0.4}, "greater than or equal to 0.5"),
        ({"low": float("nan")}, "low"),
        ({"high": float("inf")}, "less than or equal to 1"),
        ({"miss": MISS.model_copy(update={"rate": None})}, "low must be 0"),
        ({"false_alarm": FALSE_ALARM.model_copy(update={"rate": None})}, "high must be 1"),
        ({"confidence": 1.0}, "less than 1"),
    ],
)
def test_an_impossible_band_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ScoreBand.model_validate(BAND.model_dump() | change)


def test_the_promise_is_one_sentence_per_side() -> None:
    few = MISS.model_copy(update={"rate": 1 / 22, "subjects": 21, "needed": 99})
    band = BAND.model_copy(update={"miss": few})
    assert band.sentences() == [
        "At most 4.6 % of a new subject's blasts are signed off as normal on average, from 21 subjects with blasts; "
        "1 % would need 99.",
        "At most 5 % of a new subject's normal cells are signed off as blasts on average, from 40 subjects with normal "
        "cells.",
    ]
    sure = band.model_copy(update={"kind": "confidence", "confidence": 0.95})
    assert "on average, with 95 % confidence, from 21" in sure.sentences()[0]
    assert "under a normal model" in band.model_copy(update={"method": "normal_model"}).sentences()[0]


def test_an_estimate_is_not_called_a_promise() -> None:
    first = BAND.model_copy(update={"estimate": "the calibration subjects also chose the epoch"}).sentences()[0]
    assert first == "Estimates, not promises: the calibration subjects also chose the epoch."


def test_sentences_say_why_nothing_is_signed_off() -> None:
    nobody = MISS.model_copy(update={"rate": None, "subjects": 0, "needed": 99})
    assert BAND.model_copy(update={"low": 0.0, "miss": nobody}).sentences()[0] == (
        "No cell is signed off as normal: there are only 0 subjects with blasts; 1 % would need 99."
    )
    assert "no limit of the score keeps 1 %" in BAND.model_copy(update={"low": 0.0}).sentences()[0]


@pytest.mark.parametrize(
    ("options", "difference", "void"),
    [
        ({"precision": "float32", "erase": "always", "runtime": "torch"}, 0.0, False),
        ({"precision": "float32", "erase": "on_disagreement", "runtime": "onnx"}, MAX_DIFFERENCE, False),
        ({"precision": "int8", "runtime": "onnx"}, 0.0, True),
        ({"precision": "bfloat16", "runtime": "torch"}, 0.0, True),
        ({"precision": "float32", "runtime": "onnx"}, 2 * MAX_DIFFERENCE, True),
        ({"precision": "float32", "runtime": "onnx"}, float("nan"), True),
    ],
)
def test_another_precision_or_a_runtime_with_other_scores_voids_the_promise(
    options: dict[str, str], difference: float, void: bool
) -> None:
    assert (BAND.void_reason(options, difference) is not None) == void


def test_percentages_are_rounded_up() -> None:
    assert [percent(rate) for rate in (1 / 22, 0.01, 0.05, 0.1329, 1.0, 0.0034)] == [
        "4.6 %",
        "1 %",
        "5 %",
        "14 %",
        "100 %",
        "0.34 %",
    ]
    assert MARGIN > 0


def test_a_band_that_promises_nothing_cannot_be_void() -> None:
    nobody = {"rate": None, "subjects": 1}
    band = BAND.model_copy(
        update={
            "low": 0.0,
            "high": 1.0,
            "miss": MISS.model_copy(update=nobody),
            "false_alarm": FALSE_ALARM.model_copy(update=nobody),
            "estimate": "they come from other models",
        }
    )
    assert band.void_reason({"precision": "int8"}) is None
    assert band.sentences() == [
        "No cell is signed off as normal: there is only 1 subject with blasts.",
        "No cell is signed off as a blast: there is only 1 subject with normal cells.",
    ]
