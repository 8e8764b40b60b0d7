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
def test_the_exact_interval_is_scipys(of: int, part: float) -> None:
    found = round(part * of)
    expected = stats.binomtest(found, of).proportion_ci(0.95, method="exact")
    assert exact_interval(found, of) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize(
    ("found", "of", "low", "high"),
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_the_exact_interval_of_published_examples(found: int, of: int, low: float, high: float) -> None:
    """Newcombe (1998), Two-sided confidence intervals for the single proportion, Stat Med 17, 857-872, Table I."""
    assert exact_interval(found, of) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("of", [5, 30, 200])
def test_the_exact_interval_never_covers_less_than_it_says(of: int) -> None:
    found = np.arange(of + 1)
    low, high = exact_interval(found, np.full(of + 1, of))
    for truth in np.linspace(0.001, 0.999, 97):
        covered = stats.binom.pmf(found, of, truth)[(low <= truth) & (truth <= high)].sum()
        assert covered >= 0.95


def brute_force(found: int, of: int, line: float) -> int | None:
    """Cell by cell, by scipy's beta quantiles."""
    for more in range(3000):
        yes, no = found / of * (of + more), (of - found) / of * (of + more)
        low = stats.beta.ppf(0.025, yes, no + 1) if found else 0
        high = stats.beta.ppf(0.975, yes + 1, no) if found < of else 1
        if low > line or high < line:
            return more or None
    raise AssertionError("not within 3,000 cells")


@pytest.mark.parametrize(
    ("found", "of", "line"),
    [(7, 50, 0.2), (15, 50, 0.2), (0, 3, 0.2), (2, 2, 0.5), (3, 3, 0.2), (0, 1, 0.01), (1, 10, 0.2), (40, 100, 0.45)],
)
def test_more_cells_is_what_counting_one_by_one_finds(found: int, of: int, line: float) -> None:
    assert more_cells(found, of, line) == brute_force(found, of, line)


def test_more_cells_has_no_answer_where_none_is_needed_or_none_would_do() -> None:
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
    ("found", "of", "sensitivity", "specificity", "expected"),
    [
        (23, 150, 0.96, 0.89, 0.051),  # brucellosis in a herd: 5.1 per 100 (the manual of R's epiR, `epi.prev`)
        (26, 200, 0.30, 0.96, 0.346),
        (50, 125, 0.50, 0.95, 0.778),
        (5, 125, 0.50, 0.95, 0.0),  # fewer positives than false ones alone would be
    ],
)
def test_rogan_gladen_on_worked_examples(
    found: int, of: int, sensitivity: float, specificity: float, expected: float
) -> None:
    assert rogan_gladen(found / of, sensitivity, specificity) == pytest.approx(expected, abs=5e-4)


@given(share=st.floats(0, 1), sensitivity=st.floats(0.6, 1), specificity=st.floats(0.6, 1))
def test_rogan_gladen_undoes_the_errors(share: float, sensitivity: float, specificity: float) -> None:
    called = share * sensitivity + (1 - share) * (1 - specificity)
    assert rogan_gladen(called, sensitivity, specificity) == pytest.approx(share, abs=1e-9)


def test_rogan_gladen_has_no_answer_where_a_call_says_nothing() -> None:
    assert np.isnan(rogan_gladen(0.5, np.array([0.5, 0.3, np.nan]), np.array([0.5, 0.4, 1.0]))).all()
