"""The numbers of an evaluation for many weightings of the cells at once.

A bootstrap replicate is nothing but a weight for each cell, so the point estimate (all weights 1) and a thousand
replicates are one computation: confusion matrices by a matrix product, AUC by sorted cumulative sums.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

METRICS = ("accuracy", "weighted_f1", "auc", "balanced_accuracy", "sensitivity", "specificity")
NO_CELLS = "no cell has both a label and a prediction"

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Outcomes:
    """What was true and what was said of N cells, by class index.

    truth (N,), predicted (N,), scores (N, K) in 0-1; `classes` are K names, `blast` the index of the blast class, None
    where none of them is one.
    """

    truth: Indices
    predicted: Indices
    scores: Floats
    classes: tuple[str, ...]
    blast: int | None

    @property
    def is_blast(self) -> NDArray[np.bool_]:
        """(N,) which cells truly are of the blast class; none where there is no such class."""
        return np.equal(self.truth, -1 if self.blast is None else self.blast)

    def at(self, rows: NDArray[Any]) -> Self:
        """The outcomes of some rows, given as a mask or as indices."""
        return type(self)(self.truth[rows], self.predicted[rows], self.scores[rows], self.classes, self.blast)


def measure(outcomes: Outcomes, weights: Floats) -> dict[str, Floats]:
    """Every metric of METRICS under weights (R, N) -> name: (R,), NaN where a class that it needs is absent.

    Accuracy and weighted F1 as scikit-learn has them; sensitivity and specificity of the blast class against the rest.
    """
    matrices = confusions(outcomes, weights)
    return {
        "accuracy": accuracy(matrices),
        "weighted_f1": weighted_f1(matrices),
        "auc": auc(outcomes, weights),
        "balanced_accuracy": balanced_accuracy(matrices),
        **_of_the_blast(matrices, outcomes.blast),
    }


def confusions(outcomes: Outcomes, weights: Floats) -> Floats:
    """Weights (R, N) -> confusion matrices (R, K, K), rows the truth, columns what was predicted."""
    kinds = len(outcomes.classes)
    cells = np.zeros((len(outcomes.truth), kinds * kinds))  # (N, K * K), one 1 in each row
    cells[np.arange(len(cells)), outcomes.truth * kinds + outcomes.predicted] = 1
    return (weights @ cells).reshape(-1, kinds, kinds)


def accuracy(matrices: Floats) -> Floats:
    """Fraction of the cells on the diagonal; (R, K, K) -> (R,)."""
    return ratio(_diagonal(matrices).sum(axis=-1), matrices.sum(axis=(-2, -1)))


def weighted_f1(matrices: Floats) -> Floats:
    """WF1S: the classes' F1 averaged by their true cells, scikit-learn's `f1_score(average="weighted")`."""
    support, said = matrices.sum(axis=-1), matrices.sum(axis=-2)  # (R, K)
    f1 = np.nan_to_num(ratio(2 * _diagonal(matrices), support + said))
    return ratio((f1 * support).sum(axis=-1), support.sum(axis=-1))


def balanced_accuracy(matrices: Floats) -> Floats:
    """Mean over all K classes of the fraction found; NaN when a class has no cell."""
    return np.asarray(ratio(_diagonal(matrices), matrices.sum(axis=-1)).mean(axis=-1))


def sensitivity(matrices: Floats, blast: int) -> Floats:
    """Fraction of the blast class that was called blast."""
    return ratio(matrices[:, blast, blast], matrices[:, blast].sum(axis=-1))


def specificity(matrices: Floats, blast: int) -> Floats:
    """Fraction of the other cells that was not called blast, whichever of the other classes it was called."""
    others = np.delete(matrices, blast, axis=-2)  # (R, K - 1, K)
    return ratio(np.delete(others, blast, axis=-1).sum(axis=(-2, -1)), others.sum(axis=(-2, -1)))


def auc(outcomes: Outcomes, weights: Floats) -> Floats:
    """Area under the ROC curve from the scores: of the blast class for two classes, else macro one-versus-rest.

    With two classes and no blast among them it is that of the first; their scores sum to 1, so it is also the second's.
    """
    kinds = range(len(outcomes.classes)) if len(outcomes.classes) > 2 else (outcomes.blast or 0,)
    areas = [binary_auc(outcomes.truth == kind, outcomes.scores[:, kind], weights) for kind in kinds]
    return np.asarray(np.mean(areas, axis=0))


def binary_auc(positive: NDArray[np.bool_], scores: Floats, weights: Floats) -> Floats:
    """The chance that a positive scores above a negative, ties counting half; weights (R, N) -> (R,)."""
    order = np.flatnonzero(~positive)[np.argsort(scores[~positive], kind="stable")]
    below = np.zeros((len(weights), len(order) + 1))  # the weight of the negatives up to each, from the lowest score
    np.cumsum(weights[:, order], axis=1, out=below[:, 1:])
    lower, upper = (np.searchsorted(scores[order], scores[positive], side) for side in ("left", "right"))
    ups = weights[:, positive]
    wins = np.einsum("rp,rp->r", ups, below[:, lower])
    if (lower != upper).any():
        wins = (wins + np.einsum("rp,rp->r", ups, below[:, upper])) / 2
    return ratio(wins, ups.sum(axis=1) * below[:, -1])


def ratio(above: Floats, below: Floats) -> Floats:
    """The quotients, NaN where `below` is 0."""
    nothing = np.full(np.broadcast_shapes(np.shape(above), np.shape(below)), np.nan)
    return np.asarray(np.divide(above, below, out=nothing, where=below > 0))


def relevant(metric: str, outcomes: Outcomes) -> NDArray[np.bool_]:
    """Which cells (N,) a metric depends on: sensitivity on the blasts, specificity on the others, the rest on all."""
    is_blast = outcomes.is_blast
    return {"sensitivity": is_blast, "specificity": ~is_blast}.get(metric, np.ones_like(is_blast))


def why_undefined(metric: str, outcomes: Outcomes) -> str | None:
    """One line that says why a metric has no value on these cells, None when it has one."""
    if len(outcomes.truth) == 0:
        return NO_CELLS
    absent = [name for kind, name in enumerate(outcomes.classes) if not (outcomes.truth == kind).any()]
    if metric in ("auc", "balanced_accuracy") and absent:
        return f"no cell is labelled {absent[0]}"
    return _why_not_of_the_blast(metric, outcomes) if metric in ("sensitivity", "specificity") else None


def _why_not_of_the_blast(metric: str, outcomes: Outcomes) -> str | None:
    if outcomes.blast is None:
        return "none of the classes is a blast class"
    if relevant(metric, outcomes).any():
        return None
    return f"{'no' if metric == 'sensitivity' else 'every'} cell is labelled {outcomes.classes[outcomes.blast]}"


def _of_the_blast(matrices: Floats, blast: int | None) -> dict[str, Floats]:
    if blast is None:
        return dict.fromkeys(("sensitivity", "specificity"), np.full(len(matrices), np.nan))
    return {"sensitivity": sensitivity(matrices, blast), "specificity": specificity(matrices, blast)}


def _diagonal(matrices: Floats) -> Floats:
    return np.diagonal(matrices, axis1=-2, axis2=-1)  # (R, K)
