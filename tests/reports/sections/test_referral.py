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


def test_more_signals_than_colours_are_all_drawn(predictions: Maker) -> None:
    ranked = evaluate_predictions(predictions(), blast_class="all", replicates=5).risk_coverage
    assert ranked is not None
    signals = [ranked.signals[0].model_copy(update={"name": f"signal_{index}"}) for index in range(9)]
    lines = referral.risk_coverage_figure(ranked.model_copy(update={"signals": signals})).axes[0].get_lines()
    styles = {(line.get_color(), str(line._dash_pattern)) for line in lines}  # type: ignore[attr-defined]
    assert len([line for line in lines if str(line.get_label()).startswith("Signal")]) == 9
    assert len(styles) >= 9
