from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import torch
from hypothesis import given, settings, strategies as st
from scipy import optimize, special
from sklearn import metrics as reference
from sklearn.linear_model import LogisticRegression
from torchmetrics.functional.classification import multiclass_calibration_error

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import fit_temperature
from lymphoscope.evaluation.bootstrap import draw_bootstrap_samples
from lymphoscope.evaluation.calibration import (
    BINS,
    CALIBRATION_METRICS,
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    bins_of,
    calibration_group,
    calibration_groups,
    calibration_section,
    mean_of_streams,
    reliability,
)
from lymphoscope.evaluation.evaluation_set import select_evaluation_set
from lymphoscope.evaluation.logistic import SMALLEST_SCORE
from lymphoscope.evaluation.metrics import binary_auc
from lymphoscope.evaluation.outcomes import Outcomes, WeightedOutcomes, Weights
from lymphoscope.referral import calibrated

Maker = Callable[..., pd.DataFrame]


def sure_reader(seed: int, cells: int, num_classes: int, sharpness: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores (N, K) that are `sharpness` times as sure as the labels, drawn from what they should say, allow."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1.5, (cells, num_classes))
    honest = special.softmax(logits, axis=1)
    truth = (generator.random((cells, 1)) > honest.cumsum(axis=1)).sum(axis=1)
    return special.softmax(sharpness * logits, axis=1), np.minimum(truth, num_classes - 1)


def log_loss(scores: np.ndarray, truth: np.ndarray) -> float:
    return float(-np.log(scores[np.arange(len(truth)), truth]).mean())


@pytest.mark.parametrize("seed", range(4))
def test_temperature_of_two_classes_equals_logistic_regression(seed: int) -> None:
    scores, truth = sure_reader(seed, 400, 2)
    odds = np.log(scores[:, 1:] / scores[:, :1])
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000).fit(odds, truth)
    assert fit_temperature(scores, truth) == pytest.approx(1 / model.coef_[0, 0], rel=1e-4)


@pytest.mark.parametrize("num_classes", [3, 8])
def test_temperature_of_many_classes_is_scipys_minimum(num_classes: int) -> None:
    scores, truth = sure_reader(num_classes, 500, num_classes)
    result = optimize.minimize_scalar(
        lambda t: log_loss(special.softmax(np.log(scores) / t, axis=1), truth), bounds=(0.3, 10), method="bounded"
    )
    assert fit_temperature(scores, truth) == pytest.approx(result.x, abs=1e-4)


def test_scores_twice_too_confident_have_a_temperature_of_two() -> None:
    scores, truth = sure_reader(0, 40_000, 3, sharpness=2.0)
    assert fit_temperature(scores, truth) == pytest.approx(2.0, abs=0.05)
    assert fit_temperature(calibrated(scores, 2.0), truth) == pytest.approx(1.0, abs=0.03)


def test_temperature_is_bounded_for_separable_or_misleading_scores() -> None:
    truth = np.array([0, 1] * 10)
    right = np.eye(2)[truth] * 0.4 + 0.3
    assert fit_temperature(right, truth) == MIN_TEMPERATURE
    assert fit_temperature(right, 1 - truth) == MAX_TEMPERATURE
    assert fit_temperature(np.full((20, 2), 0.5), truth) == MIN_TEMPERATURE  # as good as any: they say nothing
    assert fit_temperature(np.eye(2)[truth], 1 - truth) == MAX_TEMPERATURE  # scores of exactly 0
    one_wrong = np.where(np.arange(20) == 3, 1 - truth, truth)
    assert MIN_TEMPERATURE < fit_temperature(np.eye(2)[truth], one_wrong) < MAX_TEMPERATURE


def test_fitting_without_cells_is_a_one_line_error() -> None:
    with pytest.raises(LymphoscopeError, match="no cells to fit a temperature on"):
        fit_temperature(np.zeros((0, 2)), np.zeros(0, dtype=np.int64))


@given(
    seed=st.integers(0, 2**32 - 1),
    num_classes=st.integers(2, 6),
    temperature=st.floats(MIN_TEMPERATURE, MAX_TEMPERATURE),
)
@settings(deadline=None, max_examples=50)
def test_calibration_keeps_the_ranking_of_classes_and_the_auc(seed: int, num_classes: int, temperature: float) -> None:
    scores = np.random.default_rng(seed).dirichlet(np.ones(num_classes), 60)
    result = calibrated(scores, temperature)
    np.testing.assert_allclose(result.sum(axis=1), 1)
    ranked = np.take_along_axis(result, scores.argsort(axis=1), axis=1)
    assert (np.diff(ranked, axis=1) >= 0).all()
    if num_classes == 2:
        positive, ones = np.arange(60) % 2 == 0, Weights.of_cells(np.ones((1, 60)))
        before, after = (binary_auc(positive, values[:, 0], ones) for values in (scores, result))
        assert after == pytest.approx(before, abs=1e-3)  # ties of scores that round to 1 apart


def test_calibration_keeps_a_score_of_0_and_temperature_1_changes_nothing() -> None:
    scores = np.array([[0.0, 1.0], [0.2, 0.8]])
    np.testing.assert_allclose(calibrated(scores, 1.0), scores, atol=1e-300)
    assert calibrated(scores, 20.0)[0, 0] < 1e-15


def outcomes_of(seed: int, cells: int, num_classes: int) -> Outcomes:
    scores, truth = sure_reader(seed, cells, num_classes)
    return Outcomes(
        truth, scores.argmax(axis=1), scores, tuple(f"c{kind}" for kind in range(num_classes)), positive_index=0
    )


@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize("seed", range(3))
def test_calibration_errors_equal_torchmetrics_and_scikit_learn(seed: int, num_classes: int) -> None:
    """Where the called class is the highest score; written out by integer weights, as a bootstrap samples cells."""
    outcomes = outcomes_of(seed, 300, num_classes)
    weights = np.random.default_rng(seed).integers(0, 3, (2, 300))
    result = calibration_group(outcomes).compute(Weights.of_cells(weights.astype(float)))
    for row in range(2):
        drawn = outcomes.at(np.repeat(np.arange(300), weights[row]))
        ece = multiclass_calibration_error(
            torch.tensor(drawn.scores), torch.tensor(drawn.truth), num_classes=num_classes, n_bins=BINS, norm="l1"
        )
        assert result["ece"][row] == pytest.approx(float(ece), abs=1e-6)
        brier = reference.brier_score_loss(drawn.truth, drawn.scores, scale_by_half=True, labels=range(num_classes))
        assert result["brier"][row] == pytest.approx(brier)
        assert result["log_loss"][row] == pytest.approx(reference.log_loss(drawn.truth, drawn.scores))


def test_brier_score_of_two_classes_is_the_squared_error() -> None:
    outcomes = outcomes_of(0, 200, 2)
    result = calibration_group(outcomes).compute(Weights.of_cells(np.ones((1, 200))))["brier"][0]
    assert result == pytest.approx(((outcomes.scores[:, 0] - (outcomes.truth == 0)) ** 2).mean())


def test_log_loss_of_a_score_of_0_is_that_of_the_float32_epsilon() -> None:
    outcomes = Outcomes(np.array([0]), np.array([1]), np.array([[0.0, 1.0]]), ("all", "hem"), 0)
    assert calibration_group(outcomes).compute(Weights.of_cells(np.ones((1, 1))))["log_loss"] == pytest.approx(
        -np.log(2.0**-23)
    )


def test_bins_have_equal_width_and_the_last_includes_1() -> None:
    assert bins_of(np.array([0.0, 0.0667, 0.5, 0.999, 1.0])).tolist() == [0, 1, 7, 14, 14]


def test_reliability_bins_add_up_to_the_calibration_error(predictions: Maker) -> None:
    evaluated = select_evaluation_set(predictions(), "all")
    bins = reliability(evaluated.outcomes)
    assert sum(result.cells for result in bins) == len(evaluated.rows)
    assert all(result.low <= result.score <= result.high for result in bins)
    ece = sum(result.cells * abs(result.score - result.correct) for result in bins) / len(evaluated.rows)
    assert calibration_group(evaluated.outcomes).compute(Weights.of_cells(np.ones((1, len(evaluated.rows)))))["ece"][
        0
    ] == pytest.approx(ece)


def test_uncalibrated_scores_are_the_mean_of_the_streams_that_ran(predictions: Maker) -> None:
    table = predictions()
    table.loc[:9, ["erase_all", "erase_hem", "erase_vote"]] = [np.nan, np.nan, None]
    result = mean_of_streams(table, ("all", "hem"))
    np.testing.assert_allclose(result[10:, 0], table[["raw_all", "crop_all", "erase_all"]][10:].mean(axis=1))
    np.testing.assert_allclose(result[:10, 1], table[["raw_hem", "crop_hem"]][:10].mean(axis=1))
    unknown = table.assign(
        **{f"{stream}_{name}": np.nan for stream in ("raw", "crop", "erase") for name in ("all", "hem")}
    )
    np.testing.assert_allclose(mean_of_streams(unknown, ("all", "hem"))[:, 0], table["score_all"])


def test_section_holds_calibrated_and_uncalibrated_errors(predictions: Maker) -> None:
    table = predictions(subjects=20, cells=20)
    scores = calibrated(table[["score_all", "score_hem"]].to_numpy(), 0.3)
    table[["score_all", "score_hem"]] = scores
    evaluated = select_evaluation_set(table, "all")
    samples = draw_bootstrap_samples(evaluated.rows, evaluated.outcomes, replicates=100, seed=0)
    result = calibration_section(evaluated, samples.estimate(calibration_groups(evaluated)))
    truth = (table["label"] == "hem").to_numpy(int)
    streams = table[["raw_hem", "crop_hem", "erase_hem"]].mean(axis=1)
    assert result.as_predicted["log_loss"].value == pytest.approx(reference.log_loss(truth, scores[:, 1]))
    assert result.uncalibrated["log_loss"].value == pytest.approx(reference.log_loss(truth, streams))
    assert result.as_predicted["ece"].value > result.uncalibrated["ece"].value
    for errors in (result.as_predicted, result.uncalibrated):
        assert errors["ece"].low is None
        for name in ("brier", "log_loss"):
            assert 0 <= errors[name].low <= errors[name].value <= errors[name].high


def logistic(outcomes: Outcomes, weights: np.ndarray, *, slope: bool) -> np.ndarray:
    """statsmodels' intercept and slope; without slope it is an offset."""
    odds = special.logit(np.clip(outcomes.scores[:, 0], SMALLEST_SCORE, 1 - SMALLEST_SCORE))
    truth = (outcomes.truth == 0).astype(float)
    columns = np.stack([np.ones(len(odds)), odds], axis=1) if slope else np.ones((len(odds), 1))
    model = sm.GLM(truth, columns, sm.families.Binomial(), offset=None if slope else odds, freq_weights=weights)
    return model.fit(tol=1e-12, tol_criterion="params").params


@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_calibration_intercept_and_slope_equal_statsmodels(seed: int, num_classes: int) -> None:
    outcomes = outcomes_of(seed, 300, num_classes)
    weights = np.random.default_rng(seed).integers(0, 3, (2, 300)).astype(float)
    for row in weights:
        result = calibration_group(outcomes).compute(Weights.of_cells(row[None]))
        assert result["calibration_intercept"][0] == pytest.approx(logistic(outcomes, row, slope=False)[0], abs=1e-5)
        assert result["calibration_slope"][0] == pytest.approx(logistic(outcomes, row, slope=True)[1], abs=1e-5)
    together = calibration_group(outcomes).compute(Weights.of_cells(weights))
    for row, slope in zip(weights, together["calibration_slope"], strict=True):
        assert slope == pytest.approx(logistic(outcomes, row, slope=True)[1], abs=0.01)  # coarse levels


@pytest.mark.parametrize("num_classes", [2, 4])
def test_calibration_with_exceptional_subjects_equals_statsmodels_on_mirrored_cells(num_classes: int) -> None:
    """A share of the positives, of the others, or of both scores as if it were of the other class."""
    outcomes, share = outcomes_of(3, 80, num_classes), 0.1
    weights = np.random.default_rng(3).integers(1, 4, 80).astype(float)
    mirrored = outcomes.scores.copy()
    mirrored[:, 0] = 1 - mirrored[:, 0]
    scores, truth = np.concatenate([outcomes.scores, mirrored]), np.tile(outcomes.truth, 2)
    doubled = Outcomes(truth, truth, scores, outcomes.classes, 0)
    of_classes = [[outcomes.truth == 0], [outcomes.truth != 0], [outcomes.truth == 0, outcomes.truth != 0]]
    for slope, name in ((False, "calibration_intercept"), (True, "calibration_slope")):
        exceptional = CALIBRATION_METRICS[name].exceptional
        assert exceptional is not None
        expected = []
        for masks in of_classes:
            moved = share * weights * np.any(masks, axis=0)
            expected.append(logistic(doubled, np.concatenate([weights - moved, moved]), slope=slope)[int(slope)])
        assert exceptional(outcomes, weights, share) == pytest.approx(expected, abs=1e-5)


def test_half_width_of_the_slope_is_that_of_a_cluster_robust_variance() -> None:
    """statsmodels' GEE with the bias-reduced sandwich, which agrees with leaving out each subject."""
    generator = np.random.default_rng(0)
    subject = np.repeat(np.arange(60), 20)
    truth = (subject % 2).astype(np.int64)
    odds = np.where(truth == 0, 1.5, -1.5) + generator.normal(0, 1, 60)[subject] + generator.normal(0, 1.5, 1200)
    score = special.expit(odds)
    outcomes = Outcomes(truth, (score < 0.5).astype(np.int64), np.stack([score, 1 - score], axis=1), ("all", "hem"), 0)
    rows = pd.DataFrame({"subject": [f"s{number}" for number in subject]})
    samples = draw_bootstrap_samples(rows, outcomes, replicates=50, seed=0)
    slope = samples.estimate({"errors": calibration_group(outcomes)})["errors"]["calibration_slope"]
    design = np.stack([np.ones(1200), odds], axis=1)
    model = sm.GEE((truth == 0).astype(float), design, groups=subject, family=sm.families.Binomial())
    error = model.fit(cov_type="bias_reduced").bse[1]
    assert slope.high - slope.value == pytest.approx(special.stdtrit(58, 0.975) * error, rel=0.15)


def test_scores_twice_too_sure_have_a_slope_of_one_half() -> None:
    result = calibration_group(outcomes_of(0, 40_000, 2)).compute(Weights.of_cells(np.ones((1, 40_000))))
    assert result["calibration_slope"][0] == pytest.approx(0.5, abs=0.02)
    assert result["calibration_intercept"][0] == pytest.approx(0, abs=0.05)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", range(8))
def test_slope_of_scores_that_are_far_too_extreme_equals_scikit_learn(seed: int) -> None:
    """From a slope of 1 Newton's steps overshoot here, where most scores are next to 0 or 1, and a third are wrong."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 2, 900)
    score = special.expit(6 * (generator.normal(0, 1, 900) + 0.5 - truth))
    outcomes = Outcomes(truth, (score < 0.5).astype(int), np.stack([score, 1 - score], axis=1), ("all", "hem"), 0)
    odds = special.logit(np.clip(score, SMALLEST_SCORE, 1 - SMALLEST_SCORE))
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(odds[:, None], truth == 0)
    slope = CALIBRATION_METRICS["calibration_slope"].compute(WeightedOutcomes.unweighted(outcomes))[0]
    assert slope == pytest.approx(model.coef_[0, 0], abs=1e-6)
    assert slope < 0.3


def test_slope_of_separated_classes_is_undefined_and_the_intercept_is_not() -> None:
    truth = np.arange(40) % 2
    score = np.where(truth == 0, 0.9, 0.2)
    outcomes = Outcomes(truth, truth, np.stack([score, 1 - score], axis=1), ("all", "hem"), 0)
    result = calibration_group(outcomes).compute(Weights.of_cells(np.ones((3, 40))))
    assert np.isnan(result["calibration_slope"]).all()
    assert np.isfinite(result["calibration_intercept"]).all()


def test_slope_needs_a_class_and_others() -> None:
    many = outcomes_of(0, 50, 3)
    without = Outcomes(many.truth, many.predicted, many.scores, many.classes, None)
    specs = calibration_group(without).specs
    assert specs["calibration_slope"].undefined == "none of the classes is a blast class"
    only = many.at(many.truth == 0)
    assert calibration_group(only).specs["calibration_intercept"].undefined == "every cell is labelled c0"
    assert calibration_group(many).specs["calibration_slope"].undefined is None


def test_error_without_bias_of_single_cells_is_that_of_kumar_et_al() -> None:
    """Squared gap of a bin less its variance / (n - 1), with scores that are constant in each bin."""
    generator = np.random.default_rng(0)
    score = generator.choice([0.55, 0.75, 0.95], 200)
    truth = (generator.random(200) > score - 0.15).astype(np.int64)
    outcomes = Outcomes(truth, np.zeros(200, np.int64), np.stack([score, 1 - score], axis=1), ("a", "b"), 0)
    result = calibration_group(outcomes).compute(Weights.of_cells(np.ones((1, 200))))
    expected = 0.0
    for value in np.unique(score):
        correct = truth[score == value] == 0
        share, number = correct.mean(), len(correct)
        expected += number / 200 * ((value - share) ** 2 - share * (1 - share) / (number - 1))
    assert result["debiased_calibration_error"][0] == pytest.approx(np.sqrt(expected))


def test_error_without_bias_does_not_grow_when_subjects_are_few() -> None:
    """The mean square over studies of 8 subjects is that of 20,000; that of the plug-in error is far larger."""

    def study(generator: np.random.Generator, subjects: int) -> dict[str, np.ndarray]:
        effect = generator.normal(0, 1, subjects)
        unit = np.repeat(np.arange(subjects), 10)
        logits = generator.normal(0, 1.5, len(unit))
        truth = (generator.random(len(unit)) > special.expit(logits + effect[unit])).astype(np.int64)
        score = special.expit(1.3 * logits)
        scores = np.stack([score, 1 - score], axis=1)
        outcomes = Outcomes(truth, scores.argmax(axis=1), scores, ("a", "b"), 0)
        return calibration_group(outcomes).compute(Weights(np.ones((1, subjects)), unit))

    generator = np.random.default_rng(1)
    true = study(generator, 20_000)["debiased_calibration_error"][0]
    found = [study(generator, 8) for _ in range(300)]
    plug_in = np.mean([each["ece"][0] for each in found])
    debiased = np.mean([each["debiased_calibration_error"][0] for each in found])
    assert plug_in > 1.5 * true
    assert debiased < 1.3 * true
