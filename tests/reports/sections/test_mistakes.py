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


def test_mistakes_are_named_by_their_path_below_the_common_folder(predictions: Maker, contents: Maker) -> None:
    table = predictions()
    table["path"] = [f"/data/cells/fold_{index % 3}/{index}.png" for index in range(len(table))]
    shown = contents(table)
    files = [each.file for each in mistakes.build(shown).values["mistakes"]]
    assert files == [each.cell.path.removeprefix("/data/cells/") for each in shown.mistakes]
