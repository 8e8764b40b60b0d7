"""Fit the OOD reference in feature space: the limits come from cells that the axes were not fitted to.

Training fits it on the network in float32, `export` on a network that rounds. NumPy only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.referral.ood import (
    FeatureArrays,
    FeatureReference,
    Upper,
    class_distance,
    conformal_limit,
    feature_distance,
    feature_space,
)

FOLDS = 10

# The smallest distance of each limit from the middle: very similar training cells must not make all others strange.
_MIN_DISTANCE, _MIN_CLASS_DISTANCE = 0.5, 0.1

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FeatureCells:
    """N labelled cells as a network sees them."""

    features: NDArray[np.float32]
    """(N, C) pooled features."""
    labels: NDArray[np.object_]
    """(N,)"""
    subjects: NDArray[np.object_]
    """(N,) None where it is unknown."""

    def __getitem__(self, chosen: NDArray[np.bool_]) -> "FeatureCells":
        """Return the chosen (N,) cells."""
        return FeatureCells(self.features[chosen], self.labels[chosen], self.subjects[chosen])

    @property
    def known_subjects(self) -> int:
        """Number of subjects, without missing ones."""
        return len({subject for subject in self.subjects if subject is not None})


def fit_to_held_out(train: FeatureCells, held_out: FeatureCells, share: float, how: str) -> FeatureReference:
    """Return axes from the training cells, and limits that `share` of the held-out cells are within.

    Distances are shorter for cells that weights and axes were fitted to. The limits come from the training cells only
    where there are no held-out cells, or if a few of them happen to be closer. Raises LymphoscopeError for fewer than
    two training cells.
    """
    arrays = feature_space(train.features, train.labels)
    parts = [part.features for part in (train, held_out) if len(part.features)]
    distances = [feature_distance(part, arrays) for part in parts]
    from_classes = [class_distance(part, arrays) for part in parts]
    return _reference(arrays, distances, from_classes, held_out, share, how)


def fit_by_cross_fitting(cells: FeatureCells, share: float, how: str) -> FeatureReference:
    """Return axes from all cells, and limits from each cell's distance along the axes of the other folds.

    Folds are of subjects. They are of cells where subjects are unknown, or where a class would be absent without one of
    the folds. Raises LymphoscopeError for a class of one cell.
    """
    folds = _folds(cells)
    distances, from_classes = np.empty(len(folds)), np.empty(len(folds))
    for fold in np.unique(folds):
        held_out = folds == fold
        arrays = feature_space(cells.features[~held_out], cells.labels[~held_out])
        distances[held_out] = feature_distance(cells.features[held_out], arrays)
        from_classes[held_out] = class_distance(cells.features[held_out], arrays)
    arrays = feature_space(cells.features, cells.labels)
    return _reference(arrays, [distances], [from_classes], cells, share, how)


def _reference(
    arrays: FeatureArrays,
    distances: list[Floats],
    from_classes: list[Floats],
    measured: FeatureCells,
    share: float,
    how: str,
) -> FeatureReference:
    """The greatest limit of the parts; the middle is that of the last part."""
    middle = float(np.median(from_classes[-1]))
    limit, high = (max(conformal_limit(part, share) for part in parts) for parts in (distances, from_classes))
    return FeatureReference(
        feature_distance=max(limit, _MIN_DISTANCE),
        class_distance=Upper(middle=middle, high=max(high, middle + _MIN_CLASS_DISTANCE)),
        feature_distance_cells=len(measured.labels),
        feature_distance_subjects=measured.known_subjects,
        how=how,
        arrays=arrays,
    )


def _folds(cells: FeatureCells) -> NDArray[np.int64]:
    """Return the fold (N,) of each cell, such that no fold has all cells of a class."""
    each_cell = list(range(len(cells.labels)))
    subjects = [cell if subject is None else subject for cell, subject in zip(each_cell, cells.subjects, strict=True)]
    for units in (subjects, each_cell):
        folds = _dealt(units, cells.labels)
        if all(len(np.unique(folds[cells.labels == name])) > 1 for name in np.unique(cells.labels)):
            return folds
    names, counts = np.unique(cells.labels, return_counts=True)
    raise LymphoscopeError(f"OOD reference: one cell of the class {names[counts.argmin()]} is not enough: give more")


def _dealt(units: Sequence[object], labels: NDArray[np.object_]) -> NDArray[np.int64]:
    """Return the fold (N,) of each cell: units are dealt to the folds in the order of their labels."""
    labels_of: dict[object, set[str]] = {}
    for unit, label in zip(units, labels, strict=True):
        labels_of.setdefault(unit, set()).add(label)
    in_order = sorted(labels_of, key=lambda unit: sorted(labels_of[unit]))
    fold_of = {unit: place % FOLDS for place, unit in enumerate(in_order)}
    return np.array([fold_of[unit] for unit in units], dtype=np.int64)
