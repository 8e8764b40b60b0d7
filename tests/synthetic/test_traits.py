import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import norm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from lymphoscope.synthetic.settings import BLAST, NORMAL
from lymphoscope.synthetic.traits import TRAITS, draw_effect, draw_scores, separation, traits_of


def drawn(label: str, overlap: float, subjects: int, cells: int) -> np.ndarray:
    """(subjects, cells, 7)"""
    rng = np.random.default_rng(len(label) + (label == BLAST))
    effects = [draw_effect(rng) for _ in range(subjects)]
    return np.array([[draw_scores(label, effect, overlap, rng) for _ in range(cells)] for effect in effects])


@pytest.mark.parametrize("overlap", [0.02, 0.06, 0.4, 1.0])
def test_separation_gives_the_shared_mass_that_was_asked_for(overlap: float) -> None:
    x = np.linspace(-12, 12, 200_001)
    apart = separation(overlap)
    shared = np.minimum(norm.pdf(x), norm.pdf(x - apart)).sum() * (x[1] - x[0])
    assert shared == pytest.approx(overlap, abs=1e-4)


@pytest.mark.parametrize("overlap", [0.06, 0.5, 1.0])
def test_the_best_reader_is_right_as_often_as_the_overlap_says(overlap: float) -> None:
    blasts, normals = (drawn(label, overlap, 3000, 1)[:, 0] for label in (BLAST, NORMAL))
    scores, labels = np.concatenate([blasts, normals]), np.repeat([1, 0], 3000)
    accuracy = LinearDiscriminantAnalysis().fit(scores[::2], labels[::2]).score(scores[1::2], labels[1::2])
    assert accuracy == pytest.approx(1 - overlap / 2, abs=0.03)


def test_within_a_class_scores_have_deviation_one_and_subjects_stand_apart() -> None:
    scores = drawn(BLAST, 0.06, 1500, 4)
    np.testing.assert_allclose(scores[:, 0].std(axis=0), 1, atol=0.07)
    first, second = scores[:, 0], scores[:, 1]
    alike = [np.corrcoef(first[:, trait], second[:, trait])[0, 1] for trait in range(len(TRAITS))]
    np.testing.assert_allclose(alike, 0.3, atol=0.08)


@given(st.integers(0, len(TRAITS) - 1), st.floats(-6, 6), st.floats(0.1, 2))
def test_a_blasts_score_never_makes_a_cell_less_of_a_blast(trait: int, score: float, more: float) -> None:
    low, high = np.zeros(7), np.zeros(7)
    low[trait], high[trait] = score, score + more
    a, b = traits_of(low), traits_of(high)
    assert b.diameter >= a.diameter
    assert b.nucleus_share >= a.nucleus_share
    assert b.irregularity >= a.irregularity
    assert b.grain <= a.grain
    assert b.contrast <= a.contrast
    assert b.nucleoli >= a.nucleoli
    assert b.basophilia >= a.basophilia


@given(st.lists(st.floats(-50, 50), min_size=7, max_size=7))
def test_every_score_gives_a_cell_that_can_be(scores: list[float]) -> None:
    traits = traits_of(np.array(scores))
    assert 7 < traits.diameter < 17
    assert 0.4 < traits.nucleus_share < 1
    assert 0 <= traits.nucleoli <= 3
