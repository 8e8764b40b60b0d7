"""Intervals of shares that also carry the errors of the classifier, from the confusion matrix in its model file.

R times, the recall of every class and the observed shares are drawn from their Dirichlet distributions, and the true
shares p >= 0 that explain the observed ones q best are solved for: q = C' p, where C holds the probability (true class,
predicted class). It is the Rogan-Gladen correction (evaluation/subjects/prevalence.py) for any number of classes. As
there, the share of the class itself is drawn from the two beta distributions whose quantiles are the exact bounds, so
that the interval is the exact one for a classifier without errors.

Where the file has an interval over subjects for the recall of a class, the row of this class counts only as many cells
as give an interval of this width: cells of one subject resemble each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from lymphoscope.model_file import Description

REPLICATES = 300
_NORMAL_QUANTILE = 1.959964
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ClassifierErrors:
    """Confusion of a model on held-out cells: `matrix` (K, K) of effective cells, rows the true class."""

    classes: tuple[str, ...]
    matrix: Floats
    how: str


def errors_of(description: Description) -> ClassifierErrors | None:
    """Return the confusion matrix that a model file holds, None if it holds none of its own classes."""
    scores = description.scores
    confusion: Mapping[str, Any] = scores.get("confusion") or {}
    labels = [str(name) for name in confusion.get("labels", ())]
    if sorted(labels) != sorted(description.classes):
        return None
    order = [labels.index(name) for name in description.classes]
    matrix = np.array(confusion["matrix"], dtype=np.float64)[np.ix_(order, order)]
    if not (matrix.sum(axis=1) > 0).all():
        return None
    held_out = "of held-out subjects" if scores.get("subjects") else "that it was not trained on, of unknown subjects"
    how = f"{int(matrix.sum()):,} cells {scores.get('how', held_out)}"
    return ClassifierErrors(description.classes, _effective(matrix, description), how)


def corrected_intervals(
    counts: Sequence[int], errors: ClassifierErrors, counted: Sequence[bool], *, seed: int = 0
) -> Floats:
    """Return value, low and high (K, 3) of the true share (0-1) of each class among the counted classes.

    `counts` (K,) are cells by predicted class, `counted` (K,) whether a class is in the denominator; the shares of
    classes that are not are relative to it too, as in "per 100 white cells".
    """
    generator = np.random.default_rng(seed)
    observed, within = np.array(counts, dtype=np.float64), np.array(counted, dtype=bool)
    prior = 1 / len(counts)
    recalls = np.stack([generator.dirichlet(row + prior, REPLICATES) for row in errors.matrix], axis=1)  # (R, K, K)
    shares = generator.dirichlet(observed + prior, REPLICATES)  # (R, K)
    best = _true_shares(errors.matrix / errors.matrix.sum(axis=1, keepdims=True), observed / max(observed.sum(), 1))
    intervals = np.empty((len(counts), 3))
    intervals[:, 0] = _relative(best[None], within)[0]
    for index in range(len(counts)):
        for column, quantile in ((1, 0.025), (2, 0.975)):
            drawn = _with_bound(shares, index, observed, column == 2, generator)
            solved = np.stack([_true_shares(recall, share) for recall, share in zip(recalls, drawn, strict=True)])
            intervals[index, column] = np.quantile(_relative(solved, within)[:, index], quantile)
    intervals[:, 1] = np.minimum(intervals[:, 1], intervals[:, 0])
    intervals[:, 2] = np.maximum(intervals[:, 2], intervals[:, 0])
    return intervals


def _with_bound(shares: Floats, index: int, observed: Floats, is_upper: bool, generator: np.random.Generator) -> Floats:
    """Replace the share of one class by draws whose quantile is the exact bound; the others keep their proportions."""
    number, others = observed[index], observed.sum() - observed[index]
    if is_upper:
        own = generator.beta(number + 1, others, len(shares)) if others else np.ones(len(shares))
    else:
        own = generator.beta(number, others + 1, len(shares)) if number else np.zeros(len(shares))
    rest = np.delete(shares, index, axis=1)
    rest = rest / rest.sum(axis=1, keepdims=True) * (1 - own)[:, None]
    return np.insert(rest, index, own, axis=1)


def _true_shares(recall: Floats, observed: Floats) -> Floats:
    shares: Floats = nnls(recall.T, observed)[0]
    total = shares.sum()
    return shares / total if total > 0 else observed


def _relative(shares: Floats, within: NDArray[np.bool_]) -> Floats:
    relative: Floats = shares / np.maximum(shares[:, within].sum(axis=1, keepdims=True), 1e-9)
    return relative


def _effective(matrix: Floats, description: Description) -> Floats:
    """Scale the rows whose recall has an interval over subjects down to as many cells as it is worth."""
    positive, effective = description.positive_index, matrix.copy()
    if positive is None:
        return effective
    for name, rows in (("sensitivity", [positive]), ("specificity", [i for i in range(len(matrix)) if i != positive])):
        worth = _worth(description.scores.get(name))
        if worth is not None:
            effective[rows] *= min(1.0, worth / effective[rows].sum())
    return effective


def _worth(estimate: Mapping[str, Any] | None) -> float | None:
    """The independent cells that would give an estimate of a share its interval."""
    if not estimate or None in (estimate.get("value"), estimate.get("low"), estimate.get("high")):
        return None
    low, high = (float(np.clip(estimate[end], 1e-4, 1 - 1e-4)) for end in ("low", "high"))
    value = float(np.clip(estimate["value"], 0.01, 0.99))
    width = np.log(high / (1 - high)) - np.log(low / (1 - low))
    deviation = width / (2 * _NORMAL_QUANTILE) * value * (1 - value)
    return float(np.clip(value * (1 - value) / deviation**2, 2.0, 1e9))
