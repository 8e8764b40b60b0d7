import numpy as np
import pytest

from lymphoscope.referral import ScoreBand

BAND = ScoreBand(
    low=0.2, high=0.7, miss_rate=0.01, false_alarm_rate=0.05, confidence=0.95, blasts=100, normals=100, subjects=20
)


def test_band_edges_and_nan_are_referred() -> None:
    scores = [0.19, 0.2, 0.5, 0.7, 0.71, np.nan]
    assert BAND.refers(scores).tolist() == [False, True, True, True, False, True]


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        ({}, [False, False, False, False]),
        ({"low": 0.0, "low_reason": "too few"}, [True, True, False, False]),
        ({"high": 1.0, "high_reason": "too few"}, [False, False, True, True]),
    ],
)
def test_scores_on_a_side_without_a_promise_lack_support(reasons: dict[str, object], expected: list[bool]) -> None:
    band = BAND.model_copy(update=reasons)
    assert band.lacks_support([0.1, 0.3, 0.6, 0.9]).tolist() == expected
    assert (band.refers([0.1, 0.3, 0.6, 0.9]) >= band.lacks_support([0.1, 0.3, 0.6, 0.9])).all()
