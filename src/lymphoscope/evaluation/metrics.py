"""The metrics of a classifier, one object each.

METRICS is the only list of them: metrics.json, the report, the model card, the terminal and the columns of experiments
are made from it. To add a metric, write one function here under `@metric(...)`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from lymphoscope.evaluation.estimates import Scale
from lymphoscope.evaluation.outcomes import Floats, Mask, Outcomes, WeightedOutcomes, Weights, ratio

NO_CELLS: Final = "no cell has both a label and a prediction"
# With more units the pairs of units are as many as those of cells.
FEW_UNITS = 1000
NO_POSITIVE_CLASS: Final = "none of the classes is a blast class"
UNDEFINED: Final = "it is undefined on these cells (a denominator is 0)"

Needs = Literal["cells", "every class", "one class and others", "positives", "negatives"]
"""What a metric needs to have a value: any cell, cells of every class, or cells in or outside the positive class.

"one class and others" are cells in and outside the positive class; of two classes without a positive one, the first.
"""


@dataclass(frozen=True)
class Metric:
    """A metric: its name, its title on a page, what it means, how to compute it and what that needs.

    `compute` takes WeightedOutcomes of R weightings and returns (R,) values, NaN where undefined. `scale` is the range
    of its values, `worst` its value on a subject whose cells are all confidently misclassified, None where there is
    none. For a metric that is no mean over subjects `exceptional` takes outcomes, the weights (N,) of their cells and a
    share to the values (E,) that it has if this share of all subjects scores like the other class. `definition` may
    hold {positive}, {num_classes} and {chance}; `multiclass_definition` takes its place for more than two classes.
    """

    name: str
    title: str
    definition: str
    compute: Callable[[WeightedOutcomes], Floats]
    needs: Needs = "cells"
    scale: Scale = "share"
    multiclass_definition: str | None = None
    worst: float | None = 0.0
    exceptional: Callable[[Outcomes, Floats, float], Floats] | None = None

    @property
    def needs_positive_class(self) -> bool:
        """Whether the metric has a value only where one class is the positive class."""
        return self.needs in ("positives", "negatives")

    @property
    def is_mean_over_classes(self) -> bool:
        """Whether every class counts the same, however few its cells are."""
        return self.needs == "every class"

    def describe(self, classes: Sequence[str], positive_class: str | None) -> str:
        """The definition for these classes, the end of a sentence that begins with the title."""
        text = self.multiclass_definition if self.multiclass_definition and len(classes) > 2 else self.definition
        chance = f"{1 / len(classes):.3f}"
        return text.format(positive=positive_class or classes[0], num_classes=len(classes), chance=chance)

    def depends_on(self, outcomes: Outcomes) -> Mask:
        """(N,) the cells that the value depends on."""
        if self.needs == "positives":
            return outcomes.is_positive
        return ~outcomes.is_positive if self.needs == "negatives" else np.ones(len(outcomes.truth), dtype=bool)

    def why_undefined(self, outcomes: Outcomes) -> str | None:
        """One line that says why the metric has no value on these cells; None where it has one."""
        if len(outcomes.truth) == 0:
            return NO_CELLS
        if self.needs_positive_class:
            return self._why_no_cells_of_positive_class(outcomes)
        if self.needs == "one class and others":
            return _why_no_cells_of_one_class(outcomes)
        absent = [name for index, name in enumerate(outcomes.classes) if not (outcomes.truth == index).any()]
        return f"no cell is labelled {absent[0]}" if absent and self.needs == "every class" else None

    def _why_no_cells_of_positive_class(self, outcomes: Outcomes) -> str | None:
        if outcomes.positive_index is None:
            return NO_POSITIVE_CLASS
        if self.depends_on(outcomes).any():
            return None
        return (
            f"{'no' if self.needs == 'positives' else 'every'} cell is labelled "
            + (outcomes.classes[outcomes.positive_index])
        )


def _why_no_cells_of_one_class(outcomes: Outcomes) -> str | None:
    if outcomes.positive_index is None and len(outcomes.classes) > 2:
        return NO_POSITIVE_CLASS
    positive, name = outcomes.is_first_or_positive, outcomes.classes[outcomes.positive_index or 0]
    if positive.all() or not positive.any():
        return f"{'every' if positive.all() else 'no'} cell is labelled {name}"
    return None


METRICS: Final[dict[str, Metric]] = {}
"""Every metric of a classifier, by name, in the order of all tables. Of all of them a higher value is better."""

Compute = Callable[[WeightedOutcomes], Floats]


def metric(
    title: str,
    definition: str,
    *,
    needs: Needs = "cells",
    scale: Scale = "share",
    multiclass_definition: str | None = None,
    worst: float | None = 0.0,
    exceptional: Callable[[Outcomes, Floats, float], Floats] | None = None,
    registry: dict[str, Metric] = METRICS,
) -> Callable[[Compute], Compute]:
    """Register the decorated function as a metric under its own name."""

    def register(compute: Compute) -> Compute:
        name = compute.__name__
        facts = (needs, scale, multiclass_definition, worst, exceptional)
        registry[name] = Metric(name, title, definition, compute, *facts)
        return compute

    return register


def applicable_metrics(positive_class: str | None) -> list[Metric]:
    """The metrics that can have a value: without a positive class, those that do not need one."""
    return [each for each in METRICS.values() if positive_class is not None or not each.needs_positive_class]


def compute_metrics(outcomes: Outcomes, weights: Weights) -> dict[str, Floats]:
    """Every metric under R weightings of N cells -> name: (R,), NaN where undefined."""
    weighted = WeightedOutcomes(outcomes, weights)
    return {name: each.compute(weighted) for name, each in METRICS.items()}


@metric("Accuracy", "the fraction of all cells whose prediction is their label.")
def accuracy(cells: WeightedOutcomes) -> Floats:
    """Fraction of the cells on the diagonal."""
    return ratio(_diagonal(cells.confusions).sum(axis=-1), cells.confusions.sum(axis=(-2, -1)))


@metric(
    "Weighted F1",
    "the F1 score (harmonic mean of precision and recall) of each class, averaged over the classes weighted by their "
    "number of cells (the challenge\u2019s WF1S).",
)
def weighted_f1(cells: WeightedOutcomes) -> Floats:
    """WF1S, scikit-learn's `f1_score(average="weighted")`."""
    support, predicted = cells.confusions.sum(axis=-1), cells.confusions.sum(axis=-2)  # (R, K)
    f1 = np.nan_to_num(ratio(2 * _diagonal(cells.confusions), support + predicted))
    return ratio((f1 * support).sum(axis=-1), support.sum(axis=-1))


_ABOUT_THE_SCORE = (
    "0.5 is chance. It is computed from the score, the mean softmax of the streams, because a vote has no ranking. "
    "The score says how certain the network is, on its own scale; it is not the probability of a disease."
)


@metric(
    "AUC",
    "the probability that a \u201c{positive}\u201d cell has a higher score for \u201c{positive}\u201d than another "
    "cell; " + _ABOUT_THE_SCORE,
    needs="every class",
    multiclass_definition="for each class, the probability that one of its cells scores higher for it than another "
    "cell, averaged over the classes; " + _ABOUT_THE_SCORE,
)
def auc(cells: WeightedOutcomes) -> Floats:
    """Area under the ROC curve: of the positive class for two classes, else macro-averaged one-versus-rest.

    With two classes and no positive class it is that of the first; scores sum to 1, so it is also the second's.
    """
    outcomes = cells.outcomes
    indices = range(len(outcomes.classes)) if len(outcomes.classes) > 2 else (outcomes.positive_index or 0,)
    areas = [binary_auc(outcomes.truth == index, outcomes.scores[:, index], cells.weights) for index in indices]
    return np.asarray(np.mean(areas, axis=0))


@metric(
    "Balanced accuracy",
    "the fraction classified as labelled within each class, averaged over the {num_classes} classes, so that a rare "
    "class counts as much as a common one; chance scores {chance}.",
    needs="every class",
)
def balanced_accuracy(cells: WeightedOutcomes) -> Floats:
    """Mean over all K classes of the recall; NaN when a class has no cell."""
    return np.asarray(ratio(_diagonal(cells.confusions), cells.confusions.sum(axis=-1)).mean(axis=-1))


@metric(
    "Sensitivity",
    "the fraction of the cells labelled \u201c{positive}\u201d that the model classified as such.",
    needs="positives",
)
def sensitivity(cells: WeightedOutcomes) -> Floats:
    """Recall of the positive class."""
    positive = cells.outcomes.positive_index
    if positive is None:
        return np.full(cells.weights.num_weightings, np.nan)
    return ratio(cells.confusions[:, positive, positive], cells.confusions[:, positive].sum(axis=-1))


@metric(
    "Specificity",
    "the fraction of the other cells that the model did not classify as \u201c{positive}\u201d.",
    needs="negatives",
)
def specificity(cells: WeightedOutcomes) -> Floats:
    """Fraction of the negative cells predicted as any of the negative classes."""
    positive = cells.outcomes.positive_index
    if positive is None:
        return np.full(cells.weights.num_weightings, np.nan)
    negatives = np.delete(cells.confusions, positive, axis=-2)  # (R, K - 1, K)
    return ratio(np.delete(negatives, positive, axis=-1).sum(axis=(-2, -1)), negatives.sum(axis=(-2, -1)))


def binary_auc(positive: Mask, scores: Floats, weights: Weights) -> Floats:
    """The probability that a positive scores above a negative, ties counting half; (R,).

    With few units the pairs of cells are counted once for each pair of units, so that a weighting costs no more than
    a quadratic form in the weights of the units.
    """
    if weights.of_unit.shape[1] > FEW_UNITS:
        return _auc_by_cells(positive, scores, weights.of_every_cell())
    units, wins = weights.of_unit, _wins_by_units(positive, scores, weights)
    of_positives, of_negatives = (weights.at(mask).total for mask in (positive, ~positive))
    return ratio(np.einsum("rs,rs->r", units @ wins, units), of_positives * of_negatives)


def _wins_by_units(positive: Mask, scores: Floats, weights: Weights) -> Floats:
    """(U, U) the weight of the pairs in which a positive of one unit scores above a negative of the other."""
    units, fixed = weights.of_unit.shape[1], weights.fixed
    positives = np.flatnonzero(positive)
    positives = positives[np.argsort(scores[positives])]  # in order, so that the searches stay in the cache
    of_positives, ups = weights.unit_of_cell[positives], scores[positives]
    wins = np.zeros((units, units))
    negatives = np.flatnonzero(~positive)
    negatives = negatives[np.argsort(weights.unit_of_cell[negatives], kind="stable")]
    starts = np.flatnonzero(np.diff(weights.unit_of_cell[negatives])) + 1
    for cells in np.split(negatives, starts) if len(negatives) else ():
        # From the first positive above a negative on, all are above it: search for the few cells of the unit.
        below, not_above = (
            np.cumsum(np.bincount(np.searchsorted(ups, scores[cells], side), fixed[cells], minlength=len(ups) + 1))
            for side in ("right", "left")
        )
        won = (below[:-1] + not_above[:-1]) / 2 * fixed[positives]
        wins[:, weights.unit_of_cell[cells[0]]] = np.bincount(of_positives, won, minlength=units)
    return wins


def _auc_by_cells(positive: Mask, scores: Floats, weights: Floats) -> Floats:
    """The same from the weights (R, N) of all cells."""
    order = np.flatnonzero(~positive)[np.argsort(scores[~positive], kind="stable")]
    below = np.zeros((len(weights), len(order) + 1))  # the weight of the negatives up to each, from the lowest score
    np.cumsum(weights[:, order], axis=1, out=below[:, 1:])
    lower, upper = (np.searchsorted(scores[order], scores[positive], side) for side in ("left", "right"))
    of_positives = weights[:, positive]
    wins = np.einsum("rp,rp->r", of_positives, below[:, lower])
    if (lower != upper).any():
        wins = (wins + np.einsum("rp,rp->r", of_positives, below[:, upper])) / 2
    return ratio(wins, of_positives.sum(axis=1) * below[:, -1])


def _diagonal(matrices: Floats) -> Floats:
    return np.diagonal(matrices, axis1=-2, axis2=-1)  # (R, K)
