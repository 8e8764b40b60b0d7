from collections.abc import Callable
from typing import Any

from lymphoscope.evaluation import evaluate_predictions
from lymphoscope.referral import Calibration
from lymphoscope.reports.sections import calibration

Maker = Callable[..., Any]


def test_bins_with_cells_are_dots(predictions: Maker) -> None:
    measured = evaluate_predictions(predictions(), blast_class="all", replicates=5).calibration
    assert measured is not None
    dots = calibration.reliability_figure(measured).axes[0].collections[0].get_offsets()
    assert dots.tolist() == [[each.score, each.correct] for each in measured.bins if each.cells]


def test_calibrated_and_plain_scores_are_compared_only_if_calibrated(predictions: Maker, contents: Maker) -> None:
    plain = contents(predictions())
    assert len(calibration.build(plain).values["rows"]) == 1
    fitted = Calibration(temperature=1.5, cells=100, subjects=4, how="calibration subjects")
    description = plain.description.model_copy(update={"calibration": fitted})
    section = calibration.build(contents(predictions(), description=description))
    assert len(section.values["rows"]) == 2
    assert "temperature 1.50, 100 cells" in section.values["lead"]
