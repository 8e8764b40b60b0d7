"""Calibration intercept and slope: a logistic regression of the label on the score, for many weightings at once."""

from typing import Final

import numpy as np
from scipy import special

from lymphoscope.evaluation.outcomes import Floats, Indices, Outcomes, WeightedOutcomes, coarse_levels, ratio

SMALLEST_SCORE: Final = float(np.finfo(np.float32).eps)
"""Scores closer to 0 or 1 than this are taken as that close: a float32 cannot tell."""

_NEWTON_STEPS, _LONGEST_STEP, _CONVERGED = 40, 2.0, 1e-5  # Newton's last step is then far smaller
_COARSE = 100


def logistic_calibration(cells: WeightedOutcomes, *, fit_slope: bool) -> tuple[Floats, Floats]:
    """Intercept and slope (R,), by maximum likelihood; the slope is 1 unless it is fitted. NaN where it is infinite.

    Of R > 1 weightings, which only serve an interval, cells are put into coarse levels of the score.
    """
    weights = cells.weights
    odds, level = _levels_of_odds(cells.outcomes, coarse=weights.num_weightings > 1)
    positive = cells.outcomes.is_first_or_positive.astype(np.float64)
    sizes, positives = (weights.sum_by_level(level, len(odds), values) for values in (np.ones(len(level)), positive))
    return _logistic_fit(odds, sizes, positives, fit_slope=fit_slope)


def exceptional_calibration(outcomes: Outcomes, weights: Floats, share: float, *, fit_slope: bool) -> Floats:
    """Intercept, or slope, (3,) where a `share` of the cells (N,) is of subjects that score like the other class.

    Such cells are copies of these, whose log odds have the other sign: of the positives, of the others, or of both.
    """
    odds, level = _levels_of_odds(outcomes, coarse=True)
    positive = outcomes.is_first_or_positive
    of_class = [np.bincount(level, weights * cells, len(odds)).astype(np.float64) for cells in (positive, ~positive)]
    positives, others = (
        np.array([np.concatenate([(1 - part) * sizes, part * sizes]) for part in parts])
        for sizes, parts in zip(of_class, ((share, 0.0, share), (0.0, share, share)), strict=True)
    )
    fitted = _logistic_fit(np.concatenate([odds, -odds]), positives + others, positives, fit_slope=fit_slope)
    return fitted[1 if fit_slope else 0]


def _levels_of_odds(outcomes: Outcomes, *, coarse: bool) -> tuple[Floats, Indices]:
    """The log odds (L,) of the score of the positive class, and the level of each cell (N,)."""
    scores = np.clip(outcomes.scores[:, outcomes.positive_index or 0], SMALLEST_SCORE, 1 - SMALLEST_SCORE)
    odds, level = np.unique(special.logit(scores), return_inverse=True)
    if not coarse:
        return odds, level
    groups = coarse_levels(level, most=_COARSE)
    return np.bincount(groups, odds[level]) / np.bincount(groups), groups


def _logistic_fit(odds: Floats, sizes: Floats, positives: Floats, *, fit_slope: bool) -> tuple[Floats, Floats]:
    """Newton's method for R fits at once: odds (L,), sizes and positives (R, L)."""
    # Newton's steps to a slope start at 0, where the curvature is highest: from 1 they overshoot, and may never settle,
    # where the scores are far too extreme.
    intercept, slope = np.zeros(len(sizes)), np.full(len(sizes), 0.0 if fit_slope else 1.0)
    step = np.full(len(sizes), np.inf)
    for _ in range(_NEWTON_STEPS):
        mean = special.expit(intercept[:, None] + slope[:, None] * odds)
        residual, curvature = positives - sizes * mean, sizes * mean * (1 - mean)
        by_intercept, second = residual.sum(axis=1), curvature.sum(axis=1)
        if not fit_slope:
            changes = np.stack([ratio(by_intercept, second), np.zeros(len(sizes))])
        else:
            by_slope, mixed, of_slope = residual @ odds, curvature @ odds, curvature @ odds**2
            determinant = second * of_slope - mixed**2
            changes = np.stack(
                [
                    ratio(of_slope * by_intercept - mixed * by_slope, determinant),
                    ratio(second * by_slope - mixed * by_intercept, determinant),
                ]
            )
        step = np.abs(changes).max(axis=0)
        # Shorter steps far from the maximum, where the curvature is small and a full one would overshoot.
        changes = changes * np.minimum(1, ratio(_LONGEST_STEP, np.maximum(step, _LONGEST_STEP)))
        intercept, slope = intercept + changes[0], slope + changes[1]
        if not (step > _CONVERGED).any():
            break
    failed = ~(step <= _CONVERGED)
    return np.where(failed, np.nan, intercept), np.where(failed, np.nan, slope)
