import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st
from scipy import stats

from lymphoscope.evaluation.intervals import exact_interval
from lymphoscope.evaluation.subjects.proportions import MAX_CELLS, more_cells, rogan_gladen, side_of


@given(of=st.integers(1, 5000), part=st.floats(0, 1))
@example(of=1, part=0.0)
@example(of=1, part=1.0)
@settings(deadline=None, max_examples=60)
def test_exact_interval_equals_scipy(of: int, part: float) -> None:
    result = round(part * of)
    expected = stats.binomtest(result, of).proportion_ci(0.95, method="exact")
    assert exact_interval(result, of) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize(
    ("result", "of", "low", "high"),
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_exact_interval_equals_published_examples(result: int, of: int, low: float, high: float) -> None:
    """Newcombe (1998), Two-sided confidence intervals for the single proportion, Stat Med 17, 857-872, Table I."""
    assert exact_interval(result, of) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("of", [5, 30, 200])
def test_exact_interval_never_covers_less_than_its_level(of: int) -> None:
    result = np.arange(of + 1)
    low, high = exact_interval(result, np.full(of + 1, of))
    for truth in np.linspace(0.001, 0.999, 97):
        covered = stats.binom.pmf(result, of, truth)[(low <= truth) & (truth <= high)].sum()
        assert covered >= 0.95


def brute_force(result: int, of: int, line: float) -> int | None:
    """Cell by cell, by scipy's beta quantiles."""
    for more in range(3000):
        yes, no = result / of * (of + more), (of - result) / of * (of + more)
        low = stats.beta.ppf(0.025, yes, no + 1) if result else 0
        high = stats.beta.ppf(0.975, yes + 1, no) if result < of else 1
        if low > line or high < line:
            return more or None
    raise AssertionError("not within 3,000 cells")


@pytest.mark.parametrize(
    ("result", "of", "line"),
    [(7, 50, 0.2), (15, 50, 0.2), (0, 3, 0.2), (2, 2, 0.5), (3, 3, 0.2), (0, 1, 0.01), (1, 10, 0.2), (40, 100, 0.45)],
)
def test_more_cells_equals_counting_one_by_one(result: int, of: int, line: float) -> None:
    assert more_cells(result, of, line) == brute_force(result, of, line)


def test_more_cells_is_none_where_decided_or_hopeless() -> None:
    assert more_cells(100, 100, 0.2) is None
    assert side_of(100, 100, 0.2) == "above"
    assert more_cells(0, 100, 0.2) is None
    assert side_of(0, 100, 0.2) == "below"
    assert more_cells(10, 50, 0.2) is None
    assert more_cells(201, 1000, 0.2) is None
    assert side_of(10, 50, 0.2) == side_of(201, 1000, 0.2) == side_of(0, 0, 0.2) == "undecided"
    assert more_cells(0, 0, 0.2) is None
    assert 0 < more_cells(205, 1000, 0.2) < MAX_CELLS


@pytest.mark.parametrize(
    ("result", "of", "sensitivity", "specificity", "expected"),
    [
        (23, 150, 0.96, 0.89, 0.051),  # brucellosis in a herd: 5.1 per 100 (the manual of R's epiR, `epi.prev`)
        (26, 200, 0.30, 0.96, 0.346),
        (50, 125, 0.50, 0.95, 0.778),
        (5, 125, 0.50, 0.95, 0.0),  # fewer positives than false ones alone would be
    ],
)
def test_rogan_gladen_on_worked_examples(
    result: int, of: int, sensitivity: float, specificity: float, expected: float
) -> None:
    assert rogan_gladen(result / of, sensitivity, specificity) == pytest.approx(expected, abs=5e-4)


@given(share=st.floats(0, 1), sensitivity=st.floats(0.6, 1), specificity=st.floats(0.6, 1))
def test_rogan_gladen_inverts_the_errors(share: float, sensitivity: float, specificity: float) -> None:
    apparent = share * sensitivity + (1 - share) * (1 - specificity)
    assert rogan_gladen(apparent, sensitivity, specificity) == pytest.approx(share, abs=1e-9)


def test_rogan_gladen_is_undefined_for_uninformative_predictions() -> None:
    assert np.isnan(rogan_gladen(0.5, np.array([0.5, 0.3, np.nan]), np.array([0.5, 0.4, 1.0]))).all()
