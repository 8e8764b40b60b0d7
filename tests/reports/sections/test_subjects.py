from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from lymphoscope.evaluation import Estimate, evaluate_predictions
from lymphoscope.evaluation.schema import SubjectScores
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


@pytest.mark.parametrize("accuracies", [[0.5] * 12, [0.50, 0.52, 0.48] * 8, [0.3, 0.31, 0.32, 0.33, 0.34]])
def test_names_of_subjects_with_nearly_equal_accuracy_do_not_overlap(accuracies: list[float]) -> None:
    rows = [
        SubjectScores(
            subject=f"patient-{index}",
            label="all" if index % 2 else "hem",
            cells=10,
            correct=round(10 * accuracy),
            accuracy=Estimate(value=accuracy, low=None, high=None),
            blast_fraction=None,
        )
        for index, accuracy in enumerate(accuracies)
    ]
    figure = subjects.subjects_figure(rows, overall=0.9)
    names = [text for text in figure.axes[0].texts if text.get_text().startswith("patient")]
    boxes = [name.get_window_extent() for name in names]
    assert len(names) >= 3
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_scores_are_averaged_over_subjects(predictions: Maker, contents: Maker) -> None:
    table = predictions()
    sensitivity, specificity = subjects.subject_averages(contents(table).metrics)
    correct = (table["label"] == table["predicted"]).groupby([table["label"], table["subject"]]).mean()
    assert sensitivity.mean.value == pytest.approx(correct["all"].mean())
    assert specificity.mean.value == pytest.approx(correct["hem"].mean())
    assert specificity.spread.lowest == pytest.approx(correct["hem"].min())
    text = subjects.averages_sentence(contents(table).metrics)
    assert f"sensitivity {sensitivity.mean.value:.3f} (" in text
    assert "over 4 subjects" in text


def test_without_a_blast_class_accuracy_is_averaged_and_without_subjects_nothing(
    predictions: Maker, contents: Maker
) -> None:
    (accuracy,) = subjects.subject_averages(contents(predictions(("a", "b")), None).metrics)
    assert accuracy.name == "Accuracy"
    assert subjects.averages_sentence(contents(predictions().assign(subject=None)).metrics) == ""
