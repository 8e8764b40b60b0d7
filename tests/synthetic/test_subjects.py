import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import norm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from lymphoscope.synthetic.settings import BLAST, NORMAL
from lymphoscope.synthetic.subjects import (
    AZURE,
    BLUE,
    EOSIN,
    TRAITS,
    draw_effect,
    draw_scores,
    draw_subject,
    optical_density,
    photograph,
    separation,
    traits_of,
)


def drawn(label: str, overlap: float, subjects: int, cells: int) -> np.ndarray:
    """(subjects, cells, 7)"""
    rng = np.random.default_rng(len(label) + (label == BLAST))
    effects = [draw_effect(rng) for _ in range(subjects)]
    return np.array([[draw_scores(label, effect, overlap, rng) for _ in range(cells)] for effect in effects])


@pytest.mark.parametrize("overlap", [0.02, 0.06, 0.4, 1.0])
def test_separation_gives_the_requested_overlap(overlap: float) -> None:
    x = np.linspace(-12, 12, 200_001)
    apart = separation(overlap)
    shared = np.minimum(norm.pdf(x), norm.pdf(x - apart)).sum() * (x[1] - x[0])
    assert shared == pytest.approx(overlap, abs=1e-4)


@pytest.mark.parametrize("overlap", [0.06, 0.5, 1.0])
def test_accuracy_of_the_best_classifier_follows_from_the_overlap(overlap: float) -> None:
    blasts, normals = (drawn(label, overlap, 3000, 1)[:, 0] for label in (BLAST, NORMAL))
    scores, labels = np.concatenate([blasts, normals]), np.repeat([1, 0], 3000)
    accuracy = LinearDiscriminantAnalysis().fit(scores[::2], labels[::2]).score(scores[1::2], labels[1::2])
    assert accuracy == pytest.approx(1 - overlap / 2, abs=0.03)


def test_scores_have_deviation_one_within_a_class_and_correlate_within_a_subject() -> None:
    scores = drawn(BLAST, 0.06, 1500, 4)
    np.testing.assert_allclose(scores[:, 0].std(axis=0), 1, atol=0.07)
    first, second = scores[:, 0], scores[:, 1]
    alike = [np.corrcoef(first[:, trait], second[:, trait])[0, 1] for trait in range(len(TRAITS))]
    np.testing.assert_allclose(alike, 0.3, atol=0.08)


@given(st.integers(0, len(TRAITS) - 1), st.floats(-6, 6), st.floats(0.1, 2))
def test_every_trait_is_monotone_in_its_score(trait: int, score: float, more: float) -> None:
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
def test_every_score_gives_a_plausible_cell(scores: list[float]) -> None:
    traits = traits_of(np.array(scores))
    assert 7 < traits.diameter < 17
    assert 0.4 < traits.nucleus_share < 1
    assert 0 <= traits.nucleoli <= 3


def subjects(count: int = 60) -> list:
    return [draw_subject(f"P{n}", "all", np.random.default_rng(n)) for n in range(count)]


def test_transmitted_light_follows_beer_lambert() -> None:
    subject = subjects(1)[0]
    for amount in (0.0, 0.5, 1.0):
        amounts = [np.full((40, 40), amount if stain == AZURE else 0, dtype=np.float32) for stain in range(3)]
        light = photograph(optical_density(amounts, subject), subject, 17, np.random.default_rng(0)).mean(axis=(0, 1))
        np.testing.assert_allclose(light, subject.light * np.exp(-amount * subject.stains[AZURE]), atol=0.7)


def test_stains_have_wright_giemsa_colours() -> None:
    for subject in subjects():
        amounts = {AZURE: 1.7, BLUE: 0.6, EOSIN: 0.45}  # as cells have them
        azure, blue, eosin = (subject.light * np.exp(-amounts[s] * subject.stains[s]) for s in (AZURE, BLUE, EOSIN))
        assert azure[2] > azure[0] > azure[1]  # purple
        assert blue.argmax() == 2
        assert eosin.argmax() == 0
        assert (eosin / subject.light).argmin() == 1  # pink: of the light it takes the green


def test_subjects_differ_in_light_stain_and_traits() -> None:
    drawn = subjects()
    assert np.std([subject.light for subject in drawn], axis=0).min() > 2
    assert np.std([subject.stains for subject in drawn], axis=0).min() > 0.02
    assert np.std([subject.effect for subject in drawn], axis=0).min() > 0.7
