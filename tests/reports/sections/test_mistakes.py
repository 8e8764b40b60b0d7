from collections.abc import Callable
from typing import Any

from lymphoscope.reports.sections import mistakes

Maker = Callable[..., Any]


def test_errors_are_ranked_by_the_score_of_their_prediction(predictions: Maker) -> None:
    table = predictions()
    count, listed = mistakes.certain_errors(table, most=3)
    assert count == (table["label"] != table["predicted"]).sum()
    assert len(listed) == min(3, count)
    assert listed["score"].is_monotonic_decreasing
    assert (listed["label"] != listed["predicted"]).all()
