import numpy as np
from scipy import special

from lymphoscope.referral import calibrated


def test_scores_at_a_temperature_match_scipy_and_keep_their_order() -> None:
    scores = special.softmax(np.random.default_rng(0).normal(size=(50, 3)) * 3, axis=1)
    np.testing.assert_allclose(calibrated(scores, 2.5), special.softmax(np.log(scores) / 2.5, axis=1))
    assert (calibrated(scores, 2.5).argsort(axis=1) == scores.argsort(axis=1)).all()
    np.testing.assert_allclose(calibrated(scores, 1.0), scores)


def test_a_score_of_zero_stays_the_lowest() -> None:
    assert calibrated(np.array([[0.0, 1.0]]), 0.5)[0].argmin() == 0
    assert np.isfinite(calibrated(np.array([[0.0, 1.0]]), 20.0)).all()
