from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from lymphoscope.evaluation.bootstrap import draw_bootstrap_samples
from lymphoscope.evaluation.estimates import Estimate
from lymphoscope.evaluation.evaluation_set import select_evaluation_set
from lymphoscope.evaluation.outcomes import Weights
from lymphoscope.evaluation.risk_coverage import (
    risk_coverage_area,
    risk_coverage_curve,
    risk_coverage_group,
    risk_coverage_section,
    verdict,
)
from lymphoscope.evaluation.schema import RiskCoverage

Maker = Callable[..., pd.DataFrame]


def by_hand(uncertainty: np.ndarray, wrong: np.ndarray, weights: np.ndarray) -> float:
    """Each tie group's cells ground to dust, of which the risk is summed grain by grain; no formula of the integral."""
    kept = errors = area = 0.0
    for level in np.unique(uncertainty):
        mass = weights[uncertainty == level].sum()
        share = (weights * wrong)[uncertainty == level].sum() / mass if mass else 0.0
        grains = 4000
        for _ in range(grains if mass else 0):
            middle = kept + mass / grains / 2
            area += (errors + mass / grains / 2 * share) / middle * mass / grains
            kept, errors = kept + mass / grains, errors + mass / grains * share
    return area / kept


def geifman(uncertainty: np.ndarray, wrong: np.ndarray) -> float:
    """Geifman and El-Yaniv's mean of the risk over the coverages k / N, for scores without ties."""
    ranked = wrong[np.argsort(uncertainty)]
    return float((np.cumsum(ranked) / np.arange(1, len(ranked) + 1)).mean())


def section(table: pd.DataFrame, blast: str | None = "all") -> RiskCoverage:
    evaluated = select_evaluation_set(table, blast)
    samples = draw_bootstrap_samples(evaluated.rows, evaluated.outcomes, replicates=200, seed=0)
    return risk_coverage_section(evaluated, samples.estimate({"it": risk_coverage_group(evaluated)})["it"])


@given(seed=st.integers(0, 2**32 - 1), cells=st.integers(1, 12), levels=st.integers(1, 6))
@settings(deadline=None, max_examples=15)
def test_area_is_the_integral_under_any_weights_and_ties(seed: int, cells: int, levels: int) -> None:
    generator = np.random.default_rng(seed)
    uncertainty, wrong = generator.integers(0, levels, cells).astype(float), generator.random(cells) < 0.4
    weights = generator.integers(0, 3, (1, cells)) * 1.25
    if weights.sum() > 0:
        result = risk_coverage_area(uncertainty, wrong, Weights.of_cells(weights))[0]
        assert result == pytest.approx(by_hand(uncertainty, wrong, weights[0]), abs=2e-3)


def test_area_approximates_the_mean_over_coverages() -> None:
    generator = np.random.default_rng(0)
    uncertainty = generator.random(4000)
    wrong = generator.random(4000) < uncertainty / 2
    assert risk_coverage_area(uncertainty, wrong, Weights.of_cells(np.ones((1, 4000))))[0] == pytest.approx(
        geifman(uncertainty, wrong), abs=1e-3
    )


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.9])
def test_area_is_smallest_for_perfect_ranking_and_error_rate_for_none(rate: float) -> None:
    wrong = np.arange(1000) < 1000 * rate
    generator = np.random.default_rng(0)
    ones = Weights.of_cells(np.ones((1, 1000)))
    least = rate + (1 - rate) * np.log(1 - rate)
    assert risk_coverage_area(wrong.astype(float), wrong, ones)[0] == pytest.approx(least)
    assert risk_coverage_area(np.zeros(1000), wrong, ones)[0] == pytest.approx(rate)
    at_random = [risk_coverage_area(generator.random(1000), wrong, ones)[0] for _ in range(300)]
    assert np.mean(at_random) == pytest.approx(rate, rel=0.05)
    assert least - 1e-9 <= min(at_random)


@pytest.mark.slow
def test_ties_count_as_the_mean_over_their_orders() -> None:
    wrong = np.array([True, False, False, True, False, False, False, True])
    ties = np.array([0.0, 0, 0, 0, 1, 1, 1, 1])
    generator = np.random.default_rng(0)
    ones = Weights.of_cells(np.ones((1, 8)))
    orders = [risk_coverage_area(ties + generator.random(8) / 2, wrong, ones)[0] for _ in range(4000)]
    assert risk_coverage_area(ties, wrong, ones)[0] == pytest.approx(np.mean(orders), abs=0.01)


def test_weight_equals_as_many_copies_of_a_cell() -> None:
    uncertainty, wrong = np.array([0.1, 0.2, 0.3]), np.array([False, True, False])
    weighed = risk_coverage_area(uncertainty, wrong, Weights.of_cells(np.array([[1.0, 3, 2]])))
    written = risk_coverage_area(
        np.repeat(uncertainty, [1, 3, 2]), np.repeat(wrong, [1, 3, 2]), Weights.of_cells(np.ones((1, 6)))
    )
    assert weighed == pytest.approx(written)


def test_curve_ends_at_the_error_rate_and_rises_for_a_good_ranking() -> None:
    wrong = np.arange(250) >= 200
    curve = np.array(risk_coverage_curve(np.arange(250.0), wrong))
    assert curve[-1].tolist() == [1, 0.2]
    assert (curve[curve[:, 0] <= 0.8, 1] == 0).all()
    assert (np.diff(curve[:, 1]) >= 0).all()
    np.testing.assert_allclose(np.array(risk_coverage_curve(np.zeros(250), wrong))[:, 1], 0.2)


def test_every_uncertainty_column_is_a_signal(predictions: Maker) -> None:
    table = predictions(subjects=12, cells=20)
    wrong = table["label"] != table["predicted"]
    table["ood_oracle"] = wrong.astype(float)
    table["ood_half"] = np.where(np.arange(len(table)) % 2, np.nan, 1.0)
    result = {signal.name: signal for signal in section(table).signals}
    assert list(result) == ["score", "disagreement", "ood_oracle", "ood_half"]
    rate = wrong.mean()
    assert result["ood_oracle"].area.value == pytest.approx(rate + (1 - rate) * np.log(1 - rate))
    assert result["ood_half"].cells == len(table) / 2
    assert result["ood_half"].area.value == pytest.approx(wrong[::2].mean())
    for signal in result.values():
        assert 0 < signal.area.low < signal.area.value < signal.area.high < 1
        assert signal.curve[-1] == pytest.approx((1, wrong[::2].mean() if signal.name == "ood_half" else rate))


def test_more_than_two_classes_have_margin_and_entropy(predictions: Maker) -> None:
    table = predictions(subjects=24, classes=tuple("abcd"))
    result = {signal.name: signal.area.value for signal in section(table, "b").signals}
    assert list(result) == ["score", "disagreement", "margin", "entropy"]
    assert len(set(result.values())) == 4


def test_operating_point_is_that_of_the_referral_column(predictions: Maker) -> None:
    table = predictions()
    kept = table[~table["refer"]]
    expected = len(kept) / len(table), (kept["label"] != kept["predicted"]).mean()
    assert section(table).operating_point == pytest.approx(expected)
    assert section(table.assign(refer=True)).operating_point is None


def test_disagreement_is_compared_with_the_score_on_the_same_samples(predictions: Maker) -> None:
    """Streams that are one reader with noise: their mean score knows more than how often they agree."""
    result = section(predictions(subjects=30, cells=30))
    areas = {signal.name: signal.area for signal in result.signals}
    less = result.disagreement_minus_score
    assert less.value == pytest.approx(areas["disagreement"].value - areas["score"].value)
    assert less.low > 0
    assert result.verdict.startswith("The score ranks errors better")
    # paired: narrower than either area's own interval, which they share the subjects of
    assert less.high - less.low < areas["score"].high - areas["score"].low


def test_disagreement_that_ranks_all_errors_last_is_better(predictions: Maker) -> None:
    table = predictions(subjects=20, cells=20)
    table["agreement"] = np.where(table["label"] == table["predicted"], 1.0, 2 / 3)
    assert section(table).verdict.startswith("The disagreement of the streams ranks errors better")


@pytest.mark.parametrize("case", ["one stream", "no error", "no cells", "nothing known"])
def test_undefined_area_has_a_reason(predictions: Maker, case: str) -> None:
    table = predictions()
    changed = {
        "one stream": table.assign(crop_vote=None, erase_vote=None),
        "no error": table.assign(label=table["predicted"]),
        "no cells": table.assign(label=None),
        "nothing known": table.assign(agreement=np.nan),
    }[case]
    result = section(changed)
    assert result.disagreement_minus_score.value is None
    reason = {
        "one stream": "only one stream was run, so there is no disagreement",
        "no error": "no cell is predicted wrongly, so there is no error to rank",
        "no cells": "no cell has both a label and a prediction",
        "nothing known": "it is not known for any cell",
    }[case]
    assert result.disagreement_minus_score.reason == reason
    assert reason in result.verdict


def test_verdict_is_undecided_where_the_interval_holds_0() -> None:
    text = verdict(Estimate(value=0.001, low=-0.01, high=0.012))
    assert text.startswith("These cells do not show whether")
    assert "+0.0010 (-0.0100 to +0.0120)" in text
