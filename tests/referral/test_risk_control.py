"""Risk control: against MAPIE fed with one loss per subject, its exact limits, and its promise in simulated worlds."""

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from mapie.risk_control.methods import compute_hoeffding_bentkus_p_value, get_r_hat_plus

from lymphoscope.referral.risk_control import (
    allowed_loss,
    control_risk,
    hoeffding_bentkus,
    smallest_rate,
    subject_losses,
    subjects_needed,
)
from lymphoscope.referral.score_band import PromiseKind

KINDS: tuple[PromiseKind, ...] = ("average", "confidence")


def study(seed: int, subjects: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    sizes = generator.integers(1, 30, subjects)
    of_cell = np.repeat(np.arange(subjects), sizes)
    return generator.beta(5, 1.5, subjects)[of_cell] * generator.uniform(0.3, 1, len(of_cell)), of_cell


@pytest.mark.parametrize(("subjects", "rate"), [(5, 0.4), (21, 0.1), (60, 0.05), (300, 0.02)])
def test_average_matches_conformal_risk_control_of_mapie(subjects: int, rate: float) -> None:
    scores, of_cell = study(subjects, subjects)
    limits = np.unique(scores)
    losses = np.stack([subject_losses(scores, of_cell, limit) for limit in limits], axis=1)
    _, bound = get_r_hat_plus(losses, limits, "crc", None, None, None)
    assert control_risk(scores, of_cell, rate).limit == limits[bound <= rate + 1e-12].max()


@pytest.mark.parametrize(("subjects", "rate"), [(10, 0.4), (60, 0.1), (300, 0.05), (400, 0.01)])
def test_confidence_matches_learn_then_test_of_mapie(subjects: int, rate: float) -> None:
    scores, of_cell = study(subjects, subjects)
    limits = np.unique(scores)
    means = np.array([subject_losses(scores, of_cell, limit).mean() for limit in limits])
    p_values = compute_hoeffding_bentkus_p_value(means, subjects, rate)[:, 0]
    rejected = np.logical_and.accumulate(p_values <= 0.05)
    assert control_risk(scores, of_cell, rate, kind="confidence").limit == limits[rejected].max()


@pytest.mark.parametrize(("mean", "subjects", "rate"), [(0.0, 299, 0.01), (0.01, 200, 0.05), (0.2, 30, 0.3)])
def test_p_value_matches_mapie(mean: float, subjects: int, rate: float) -> None:
    expected = compute_hoeffding_bentkus_p_value(np.array([mean]), subjects, rate)[0, 0]
    assert hoeffding_bentkus(mean, subjects, rate) == pytest.approx(expected)


def test_number_of_subjects_limits_the_promise() -> None:
    assert smallest_rate(21, "average", 0.95) == pytest.approx(1 / 22)
    assert subjects_needed(0.01, "average", 0.95) == 99
    assert subjects_needed(0.01, "confidence", 0.95) == 299
    for kind in KINDS:
        for rate in (0.01, 0.05, 0.1):
            needed = subjects_needed(rate, kind, 0.95)
            assert smallest_rate(needed, kind, 0.95) <= rate + 1e-9
            assert smallest_rate(needed - 1, kind, 0.95) > rate


@pytest.mark.parametrize("kind", KINDS)
def test_too_few_subjects_promise_the_smallest_rate_they_can(kind: PromiseKind) -> None:
    scores, of_cell = study(0, 21)
    found = control_risk(scores, of_cell, 0.01, kind=kind)
    assert found.limit == scores.min()  # no calibration cell may be signed off wrongly
    assert found.promise.rate == smallest_rate(21, kind, 0.95)
    assert (found.promise.stated, found.promise.subjects, found.promise.cells) == (0.01, 21, len(scores))
    assert found.promise.needed == subjects_needed(0.01, kind, 0.95)


def test_no_subject_promises_nothing() -> None:
    found = control_risk(np.zeros(0), np.zeros(0, np.int64), 0.01)
    assert (found.limit, found.promise.rate, found.promise.needed) == (-math.inf, None, 99)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.sampled_from(KINDS), st.floats(0.01, 0.5))
def test_the_limit_is_the_highest_that_is_allowed(seed: int, subjects: int, kind: PromiseKind, rate: float) -> None:
    scores, of_cell = study(seed, subjects)
    found = control_risk(scores, of_cell, rate, kind=kind)
    allowed = allowed_loss(subjects, found.promise.rate, kind, 0.95)
    assert subject_losses(scores, of_cell, found.limit).sum() <= allowed + 1e-6
    if found.limit < math.inf:
        assert subject_losses(scores, of_cell, np.nextafter(found.limit, 2)).sum() > allowed - 1e-6


def test_one_odd_subject_counts_as_one_whatever_its_number_of_cells() -> None:
    scores = np.concatenate([np.full(1000, 0.1), np.full(99, 0.9)])
    of_cell = np.concatenate([np.zeros(1000, int), np.arange(1, 100)])
    assert control_risk(scores, of_cell, 0.01).limit == 0.1
    assert control_risk(scores, of_cell, 0.02).limit == 0.9


def promise_simulation() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "referral_promise.py"
    spec = importlib.util.spec_from_file_location("referral_promise", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["referral_promise"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_promise_is_kept_in_every_world() -> None:
    """The worlds of docs/referral.md: equal and unequal sizes, heavy tails, and 1, 3 and 5 % odd subjects."""
    simulation = promise_simulation()
    rows = [row for world in simulation.worlds() for row in simulation.simulate(world, 0.01, 150)]
    assert {row.method for row in rows} == set(KINDS)
    assert [row for row in rows if not row.kept] == []
    # A referral of every cell would keep any promise.
    assert all(row.signed_off > 0.8 for row in rows if row.world.startswith("equal sizes") and row.method == "average")
