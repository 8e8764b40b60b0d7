from hypothesis import given
from hypothesis import strategies as st

from lymphoscope.inference.referral import refer_reasons
from lymphoscope.model_file import Thresholds


def test_nobody_need_look_where_all_agree_and_the_score_is_high() -> None:
    assert refer_reasons(1.0, [0.1, 0.9], 1, Thresholds()) == []


def test_streams_that_disagree_are_referred() -> None:
    assert refer_reasons(0.67, [0.1, 0.9], 1, Thresholds()) == ["streams disagree"]


def test_agreement_counts_as_it_is_shown() -> None:
    assert refer_reasons(2 / 3, [0.1, 0.9], 1, Thresholds(minimum_agreement=0.67)) == []


def test_a_vote_against_the_score_and_a_low_score_are_told_apart() -> None:
    assert refer_reasons(1.0, [0.6, 0.4], 1, Thresholds()) == ["vote and score disagree"]
    assert refer_reasons(1.0, [0.4, 0.35, 0.25], 0, Thresholds()) == ["score below 0.5"]
    assert refer_reasons(1.0, [0.05, 0.95], 1, Thresholds(minimum_score=0.975)) == ["score below 0.975"]


def test_reasons_add_up() -> None:
    assert refer_reasons(0.67, [0.6, 0.4], 1, Thresholds()) == ["streams disagree", "vote and score disagree"]


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_raising_a_threshold_never_takes_a_cell_from_a_person(score: float, low: float, high: float) -> None:
    low, high = sorted((low, high))
    lax, strict = Thresholds(minimum_score=low), Thresholds(minimum_score=high)
    assert bool(refer_reasons(1.0, [score, 1 - score], 0, lax)) <= bool(
        refer_reasons(1.0, [score, 1 - score], 0, strict)
    )
