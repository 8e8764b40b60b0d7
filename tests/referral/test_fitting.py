import numpy as np
import pytest
from scipy import optimize, special

from lymphoscope.errors import LymphoscopeError
from lymphoscope.referral import CalibrationCells, ReferralFit, ReferralOptions, fit_referral
from lymphoscope.referral.fitting import careful_temperature, score_bounds
from lymphoscope.vocabulary import STREAMS

BLAST = 0


def cohort(generator: np.random.Generator, blasts: int = 120, normals: int = 60) -> CalibrationCells:
    """Scores twice too confident of subjects that differ; 20 to 60 cells each, three streams that differ a little."""
    sizes = generator.integers(20, 61, blasts + normals)
    of_cell = np.repeat(np.arange(blasts + normals), sizes)
    truth = (of_cell >= blasts).astype(np.int64)
    part = generator.normal(0, 1.0, blasts + normals)[of_cell]
    evidence = np.where(truth == BLAST, 4.0, -4.0) + part + generator.normal(0, 1.5, len(of_cell))
    blast = special.expit(5 * (evidence + generator.normal(0, 0.3, (3, len(of_cell)))))
    probabilities = np.stack([blast, 1 - blast], axis=2).astype(np.float32)
    return CalibrationCells(probabilities, truth, of_cell.astype(str).astype(object), "simulated cells")


def fit(cells: CalibrationCells, positive_index: int | None = BLAST, **options: object) -> ReferralFit:
    return fit_referral(cells, ReferralOptions.model_validate(options), positive_index, STREAMS)


def by_hand(blast: list[float], truth: list[int], subjects: list[object]) -> CalibrationCells:
    one = np.array([[p, 1 - p] for p in blast], dtype=np.float32)
    return CalibrationCells(np.stack([one] * 3), np.array(truth), np.array(subjects, dtype=object), "cells by hand")


def shares_signed_off(cells: CalibrationCells, fitted: ReferralFit) -> tuple[float, float]:
    """The mean share, over subjects, of blasts below `low` and of normal cells above `high` under both policies."""
    assert fitted.band is not None
    lowest, highest = score_bounds(cells.probabilities, STREAMS, BLAST)
    wrong = np.where(cells.truth == BLAST, lowest < fitted.band.low, highest > fitted.band.high)
    subjects, of_cell = np.unique(cells.subjects.astype(str), return_inverse=True)
    share = np.bincount(of_cell, wrong) / np.bincount(of_cell)
    is_blast = np.array([cells.truth[cells.subjects == name][0] == BLAST for name in subjects])
    return float(share[is_blast].mean()), float(share[~is_blast].mean())


@pytest.mark.slow
def test_the_whole_referral_keeps_its_promise_on_average() -> None:
    """Temperature and band from one cohort, both applied to another, 60 times."""
    shares = []
    for seed in range(60):
        generator = np.random.default_rng(seed)
        fitted = fit(cohort(generator))
        shares.append(shares_signed_off(cohort(generator), fitted))
    misses, alarms = np.array(shares).T
    assert misses.mean() <= 0.01
    assert alarms.mean() <= 0.05


def test_temperature_matches_an_independent_optimiser() -> None:
    cells = cohort(np.random.default_rng(0))

    def loss(temperature: float) -> float:
        logits = np.log(np.maximum(cells.scores, 2.0**-23)) / temperature
        chosen = (logits - special.logsumexp(logits, axis=1, keepdims=True))[np.arange(len(logits)), cells.truth]
        return float(-chosen.mean())

    calibration = fit(cells).calibration
    assert calibration is not None
    expected = optimize.minimize_scalar(loss, bounds=(0.2, 20), method="bounded", options={"xatol": 1e-8})
    assert calibration.temperature == pytest.approx(expected.x, abs=1e-4)
    assert calibration.temperature > 1.5
    assert (calibration.cells, calibration.subjects) == (len(cells.truth), 180)


def test_temperature_is_at_least_one_without_errors() -> None:
    scores, truth = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1])
    assert careful_temperature(scores, truth) == 1.0
    assert careful_temperature(np.array([[0.9, 0.1], [0.8, 0.2]] * 9), np.array([0, 1] * 9)) > 1
    with pytest.raises(LymphoscopeError, match="no cells to fit a temperature on"):
        careful_temperature(np.zeros((0, 2)), np.zeros(0, np.int64))


def test_the_band_does_not_depend_on_the_temperature_or_the_order_of_cells() -> None:
    cells = cohort(np.random.default_rng(1))
    order = np.random.default_rng(2).permutation(len(cells.truth))
    again = CalibrationCells(cells.probabilities[:, order], cells.truth[order], cells.subjects[order], cells.how)
    assert fit(again).band == fit(cells).band


def test_both_sides_are_symmetric() -> None:
    cells = cohort(np.random.default_rng(2))
    turned = CalibrationCells(cells.probabilities[:, :, ::-1], 1 - cells.truth, cells.subjects, cells.how)
    band = fit(cells, miss_rate=0.02, false_alarm_rate=0.05).band
    mirrored = fit(turned, miss_rate=0.05, false_alarm_rate=0.02).band
    assert band is not None
    assert mirrored is not None
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - band.high, 1 - band.low), abs=1e-6)


def test_no_cell_is_signed_off_against_its_score() -> None:
    band = fit(by_hand([0.99] * 120 + [0.01] * 120, [0] * 120 + [1] * 120, list(range(240)))).band
    assert band is not None
    assert (band.low, band.high) == (0.5, 0.5)


@pytest.mark.parametrize("kind", ["average", "confidence"])
def test_few_subjects_promise_what_they_can(kind: str) -> None:
    band = fit(cohort(np.random.default_rng(0), 21, 13), promise=kind).band
    assert band is not None
    assert band.miss.rate == pytest.approx(1 / 22 if kind == "average" else 1 - 0.05 ** (1 / 21))
    assert (band.miss.needed, band.miss.subjects) == (99 if kind == "average" else 299, 21)
    assert 0 < band.low < 0.5


def test_linked_subjects_count_as_one() -> None:
    cells = cohort(np.random.default_rng(0), 21, 13)
    linked = np.where(cells.subjects == "1", "0", cells.subjects)
    band = fit(CalibrationCells(cells.probabilities, cells.truth, linked, cells.how)).band
    assert band is not None
    assert band.miss.subjects == 20


def test_score_bounds_hold_under_both_erase_policies() -> None:
    """Raw and crop agree on the first two cells; the erase stream of the last was not run."""
    raw, crop, erase = [0.9, 0.2, 0.9, 0.8], [0.7, 0.4, 0.4, 0.6], [0.2, 0.9, 0.5, np.nan]
    blast = np.array([raw, crop, erase], dtype=np.float32)
    lowest, highest = score_bounds(np.stack([blast, 1 - blast], axis=2), STREAMS, 0)
    np.testing.assert_allclose(lowest, [0.6, 0.3, 0.6, 1.4 / 3], atol=1e-6)
    np.testing.assert_allclose(highest, [0.8, 0.5, 0.6, 2.4 / 3], atol=1e-6)
    two = score_bounds(np.stack([blast, 1 - blast], axis=2), ("raw", "crop"), 0)
    np.testing.assert_array_equal(*two)


@pytest.mark.parametrize(
    ("subjects", "positive_index", "note"),
    [
        (["a", "b"], None, "no score band: the model has no blast class"),
        ([None, "b"], 0, "no score band: 1 of 2 calibration cells have no subject"),
        ([float("nan"), "b"], 0, "no score band: 1 of 2 calibration cells have no subject"),
    ],
)
def test_without_a_blast_class_or_subjects_there_is_no_band(
    subjects: list[object], positive_index: int | None, note: str
) -> None:
    fitted = fit(by_hand([0.9, 0.4], [0, 1], subjects), positive_index)
    assert fitted.band is None
    assert fitted.calibration is not None
    assert fitted.notes == ["the temperature 1.00 is uncertain: a class has only 1 calibration cells", note]


def test_a_class_without_cells_leaves_the_model_uncalibrated() -> None:
    fitted = fit(by_hand([0.9, 0.8], [0, 0], ["a", "b"]))
    assert (fitted.calibration, fitted.band) == (None, None)
    assert fitted.notes == ["not calibrated, and no score band: a class has no calibration cell"]


@pytest.mark.parametrize("score", [1.2, np.nan])
def test_scores_outside_0_to_1_are_refused(score: float) -> None:
    with pytest.raises(LymphoscopeError, match="not in 0-1"):
        fit(by_hand([score, 0.4, 0.3], [0, 1, 0], ["a", "b", "c"]))


def test_the_normal_model_is_an_option() -> None:
    band = fit(cohort(np.random.default_rng(0)), method="normal_model").band
    assert band is not None
    assert (band.method, band.kind) == ("normal_model", "confidence")
    assert "under a normal model" in band.sentences()[0]
