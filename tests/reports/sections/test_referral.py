from collections.abc import Callable
from typing import Any

from lymphoscope.evaluation import evaluate_predictions
from lymphoscope.reports.plotting import figure_uri
from lymphoscope.reports.sections import referral

Maker = Callable[..., Any]


def test_risk_coverage_draws_one_line_per_signal(predictions: Maker) -> None:
    ranked = evaluate_predictions(predictions(), blast_class="all", replicates=5).risk_coverage
    assert ranked is not None
    figure = referral.risk_coverage_figure(ranked)
    drawn = {str(line.get_label()) for line in figure.axes[0].get_lines()}
    assert {referral.signal_title(signal.name) for signal in ranked.signals} <= drawn
    assert figure_uri(figure).startswith("data:image/svg+xml")
