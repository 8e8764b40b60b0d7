import numpy as np
import pytest
from scipy import optimize, special

from lymphoscope.errors import LymphoscopeError
from lymphoscope.referral import calibrated, fit_calibration
from lymphoscope.referral.fitting import careful_temperature, cross_fitted

BLAST = 0


def cohort(generator: np.random.Generator, blasts: int = 40, normals: int = 25) -> tuple[np.ndarray, ...]:
    """Scores (N, 2) twice too sure, labels, subjects who differ from each other; 20 to 60 cells each."""
    sizes = generator.integers(20, 61, blasts + normals)
    of_cell = np.repeat(np.arange(blasts + normals), sizes)
    truth = (of_cell >= blasts).astype(np.int64)
    part = generator.normal(0, 1.0, blasts + normals)[of_cell]
    evidence = np.where(truth == BLAST, 4.0, -4.0) + part + generator.normal(0, 1.5, len(of_cell))
    blast = special.expit(5 * evidence)
    return np.stack([blast, 1 - blast], axis=1), truth, of_cell.astype(str).astype(object)


@pytest.mark.slow
def test_temperature_and_band_keep_the_stated_rates_in_95_of_100_seeds() -> None:
    """The whole referral: temperature and band from one cohort, both applied to another."""
    kept_misses, kept_alarms, signed = 0, 0, []
    for seed in range(100):
        generator = np.random.default_rng(seed)
        fitted = fit_calibration(*cohort(generator), BLAST)
        scores, truth, _ = cohort(generator)
        blast = calibrated(scores, fitted.temperature)[:, BLAST]
        assert fitted.band is not None
        kept_misses += (blast[truth == BLAST] < fitted.band.low).mean() <= 0.01
        kept_alarms += (blast[truth != BLAST] > fitted.band.high).mean() <= 0.05
        signed.append((blast[truth != BLAST] < fitted.band.low).mean())
    assert kept_misses >= 95
    assert kept_alarms >= 95
    # A band that refers every cell would keep any rate.
    assert np.median(signed) > 0.8


def test_temperature_matches_an_independent_optimiser() -> None:
    scores, truth, subjects = cohort(np.random.default_rng(0))

    def loss(temperature: float) -> float:
        logits = np.log(np.maximum(scores, 2.0**-23)) / temperature
        return float(-(logits - special.logsumexp(logits, axis=1, keepdims=True))[np.arange(len(truth)), truth].mean())

    found = fit_calibration(scores, truth, subjects, BLAST).temperature
    expected = optimize.minimize_scalar(loss, bounds=(0.2, 20), method="bounded", options={"xatol": 1e-8})
    assert found == pytest.approx(expected.x, abs=1e-4)
    assert found > 1.5


def test_temperature_is_at_least_one_without_errors() -> None:
    scores, truth = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1])
    assert careful_temperature(scores, truth) == 1.0
    assert careful_temperature(np.array([[0.9, 0.1], [0.8, 0.2]] * 9), np.array([0, 1] * 9)) > 1
    with pytest.raises(LymphoscopeError, match="no cells to fit a temperature on"):
        careful_temperature(np.zeros((0, 2)), np.zeros(0, np.int64))


def test_cross_fitted_scores_do_not_depend_on_the_own_labels() -> None:
    scores, truth, subjects = cohort(np.random.default_rng(1), 8, 8)
    own = subjects == "3"
    turned = np.where(own, 1 - truth, truth)
    # The class decides in which group a subject is, so only the fitting may see the turned labels.
    before = cross_fitted(scores, truth, subjects)
    others = ~own
    assert not np.allclose(before, calibrated(scores, careful_temperature(scores, truth)))
    np.testing.assert_allclose(before.sum(axis=1), 1)
    assert (before.argmax(axis=1) == scores.argmax(axis=1)).all()
    after = cross_fitted(scores, turned, subjects)
    assert not np.allclose(before[others], after[others])


def test_scores_of_a_single_subject_are_unchanged() -> None:
    scores, truth = np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 0])
    np.testing.assert_allclose(cross_fitted(scores, truth, np.array(["a", "a"], dtype=object)), scores)


@pytest.mark.parametrize(("blast", "name"), [(None, "a"), (0, None), (0, float("nan"))])
def test_no_band_without_a_blast_class_or_subjects(blast: int | None, name: object) -> None:
    fitted = fit_calibration(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1]), [name, "b"], blast)
    assert fitted.band is None
    assert fitted.temperature > 1
