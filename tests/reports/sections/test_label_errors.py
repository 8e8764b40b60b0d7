from collections.abc import Callable
from typing import Any

import numpy as np

from lymphoscope.evaluation.schema import LabelError, LabelErrors
from lymphoscope.reports import render_report
from lymphoscope.reports.sections import label_errors

Maker = Callable[..., Any]


def with_errors(contents: Any, count: int, **changes: Any) -> Any:
    found = [
        LabelError(path=f"/cells/{index}.png", subject=None, label="all", suggested="hem", quality=0.1)
        for index in range(count)
    ]
    errors = LabelErrors(method="Confident learning.", cells=100, flagged=found, **changes)
    return contents.metrics.model_copy(update={"label_errors": errors})


def test_at_most_fifty_are_listed_and_all_are_counted(predictions: Maker, contents: Maker) -> None:
    metrics = with_errors(contents(predictions()), 60)
    section = label_errors.build(contents(predictions(), metrics=metrics))
    assert len(section.values["rows"]) == 50
    assert "60 of 100 labels are doubtful" in section.values["lead"]


def test_thumbnails_are_shown_where_available(predictions: Maker, contents: Maker) -> None:
    metrics = with_errors(contents(predictions()), 2)
    thumbnails = {"/cells/1.png": np.zeros((8, 8, 3), dtype=np.uint8)}
    html = render_report(contents(predictions(), metrics=metrics, thumbnails=thumbnails))
    assert html.count("suggested hem") == 1


def test_a_reason_replaces_the_list(predictions: Maker, contents: Maker) -> None:
    metrics = with_errors(contents(predictions()), 0, reason="the model had seen these cells")
    assert "Labels were not checked: the model had seen these cells." in render_report(
        contents(predictions(), metrics=metrics)
    )
