from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lymphoscope.evaluation import evaluate_predictions
from lymphoscope.reports.sections import subjects

Maker = Callable[..., Any]


def test_each_subject_is_a_dot_at_its_accuracy(predictions: Maker) -> None:
    rows = evaluate_predictions(predictions(subjects=13), blast_class="all", replicates=5).per_subject
    figure = subjects.subjects_figure(rows, overall=0.7)
    heights = np.concatenate([dots.get_offsets()[:, 1] for dots in figure.axes[0].collections])
    assert sorted(heights) == pytest.approx(sorted(row.accuracy.value for row in rows))
    low, high = figure.axes[0].get_ylim()
    assert low < heights.min()
    assert high > heights.max()
    lowest = min(rows, key=lambda row: row.accuracy.value).subject
    assert lowest in {text.get_text() for text in figure.axes[0].texts}
