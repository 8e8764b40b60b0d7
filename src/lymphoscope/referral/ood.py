"""Out-of-distribution (OOD) scores: how far a cell is from the training cells. NumPy only.

One score per signal; 0 is typical, 1 is the limit. The feature distance is the Mahalanobis distance along the principal
axes of the training cells' pooled features. Each variance is raised a little (shrinkage), so that an axis on which the
training cells hardly differ does not dominate. Measured on a model of C-NMC cells: 8, 16, 32 and 64 axes, shrinkage 0
to 0.1, and the distance to the 10th nearest neighbour all separate each of 112 cells of the Barcelona set from the
C-NMC cells; this method stores no training cell.

A kind of cell that was not trained on lies among the training cells as a whole, so the feature distance does not show
it. The class distance does, in part: it is the relative Mahalanobis distance (Ren et al. 2021, "A simple fix to
Mahalanobis distance for improving near-OOD detection"), the squared distance from the closest class, less that from all
training cells.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import ConfigDict, Field, PrivateAttr, model_validator
from pydantic.json_schema import SkipJsonSchema

from lymphoscope.errors import LymphoscopeError
from lymphoscope.strict_model import StrictModel
from lymphoscope.vocabulary import OOD_COLUMNS, OodSignal

if TYPE_CHECKING:
    from lymphoscope.data.quality import ImageStatistics

AXES = 64
SHRINKAGE = 0.01
_SMALLEST = 1e-12

Values = NDArray[np.float64]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Range(StrictModel):
    """The usual values of a measurement."""

    low: float = Field(allow_inf_nan=False, description="Lower limit.")
    middle: float = Field(allow_inf_nan=False, description="Median.")
    high: float = Field(allow_inf_nan=False, description="Upper limit.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low < self.middle < self.high:
            raise ValueError(f"low {self.low:g}, middle {self.middle:g} and high {self.high:g} must be in this order")
        return self


class Colour(StrictModel):
    """The stain's colour: log ratios of the mean channels, (log R/G, log B/G)."""

    centre: tuple[Finite, Finite] = Field(description="Median of the training cells.")
    precision: tuple[tuple[Finite, Finite], tuple[Finite, Finite]] = Field(description="Inverse covariance matrix.")
    limit: float = Field(gt=0, allow_inf_nan=False, description="Largest usual Mahalanobis distance.")


class Upper(StrictModel):
    """The usual values of a measurement whose low values are not unusual."""

    middle: float = Field(allow_inf_nan=False, description="Median.")
    high: float = Field(allow_inf_nan=False, description="Upper limit.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.middle < self.high:
            raise ValueError(f"middle {self.middle:g} must be below high {self.high:g}")
        return self


@dataclass(frozen=True, eq=False)
class FeatureArrays:
    """The training cells in the space of the network's pooled features, from `ood_reference.safetensors`."""

    centre: NDArray[np.float32]
    """(C,) their mean."""
    axes: NDArray[np.float32]
    """(C, P) features minus the centre, times these axes, have about unit variance in every direction."""
    class_centres: NDArray[np.float32]
    """(K, P) the mean of each class with training cells, along these axes."""
    class_axes: NDArray[np.float32]
    """(P, P) cells along the axes minus the centre of their class, times these, have about unit variance as well."""

    def __post_init__(self) -> None:
        arrays = (self.centre, self.axes, self.class_centres, self.class_axes)
        if [array.ndim for array in arrays] == [1, 2, 2, 2] and all(np.isfinite(array).all() for array in arrays):
            (channels, count), (classes, _) = self.axes.shape, self.class_centres.shape
            shapes = ((channels,), (channels, count), (classes, count), (count, count))
            if self.axes.size and classes and tuple(array.shape for array in arrays) == shapes:
                return
        raise LymphoscopeError(
            "OOD reference: centre (C,), axes (C, P), class_centres (K, P) and class_axes (P, P) must fit each other "
            "and be finite"
        )


class FeatureReference(StrictModel):
    """What the training cells look like in the space of the pooled features of one network.

    A network that rounds (int8) moves the features of every cell, so it has a reference of its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    feature_distance: float | None = Field(
        gt=0, allow_inf_nan=False, description="Largest usual distance in feature space."
    )
    class_distance: Upper | None = Field(
        description="Usual relative Mahalanobis distance from the closest class (Ren et al. 2021)."
    )
    feature_distance_cells: int = Field(description="Number of cells that these two limits were measured on.")
    feature_distance_subjects: int = Field(description="Number of subjects of these cells.")
    how: str = Field(description="Which cells it was measured on, in words.")
    arrays_sha256: str = Field(
        default="", pattern=r"^([0-9a-f]{64})?$", description="SHA-256 of the safetensors file of its arrays."
    )
    arrays: SkipJsonSchema[FeatureArrays | None] = Field(default=None, exclude=True, repr=False)


class OodReference(FeatureReference):
    """What the training cells look like, so that unusual cells can be found.

    The limits of sharpness, brightness, frame contact and colour are of the pixels that the network receives
    (`data/quality.py`), whatever the network. At most a share 1 - `share` of the cells are beyond each limit.
    """

    share: float = Field(gt=0, lt=1, description="Share of the known cells within each limit.")
    cells: int = Field(description="Number of cells that the image limits were measured on.")
    subjects: int = Field(description="Number of subjects of these cells.")
    sharpness: Range = Field(description="Log of the mean square of the Laplacian; low is out of focus.")
    brightness: Range = Field(description="Mean of R, G and B, 0-255.")
    touching: float = Field(
        gt=0, allow_inf_nan=False, description="Largest usual fraction of the image's frame that the cell touches."
    )
    colour: Colour = Field(description="Colour of the stain.")

    # Not a field: it belongs to the opened network, and is neither written nor part of the model's identity.
    _of_network: FeatureReference | None = PrivateAttr(default=None)

    @property
    def features(self) -> FeatureReference:
        """The reference in feature space: that of the opened network if it has its own, else the model's."""
        return self._of_network or self

    def of_network(self, features: FeatureReference) -> Self:
        """Return this reference for a network whose features have a reference of their own."""
        copy = self.model_copy()
        copy._of_network = features
        return copy


def feature_space(features: ArrayLike, labels: ArrayLike) -> FeatureArrays:
    """Describe the features (N, C) of training cells with labels (N,).

    There are at most AXES axes, and at most N - 1. Raises LymphoscopeError for fewer than two cells.
    """
    cells, names = np.asarray(features, dtype=np.float64), np.asarray(labels)
    if len(cells) < 2:
        raise LymphoscopeError(f"OOD reference: it needs the features of at least two training cells, not {len(cells)}")
    centre = cells.mean(axis=0)
    axes = _unit_variance(cells - centre, min(AXES, len(cells) - 1))
    along = (cells - centre) @ axes
    classes, class_index = np.unique(names, return_inverse=True)
    class_centres = np.stack([along[class_index == index].mean(axis=0) for index in range(len(classes))])
    class_axes = _unit_variance(along - class_centres[class_index], axes.shape[1])
    arrays = (centre, axes, class_centres, class_axes)
    return FeatureArrays(*(array.astype(np.float32) for array in arrays))


def _unit_variance(offsets: Values, most: int) -> Values:
    """Return at most `most` axes (C, P) along which offsets (N, C) have about unit variance, the widest first."""
    _, spread, directions = np.linalg.svd(offsets, full_matrices=False)
    variance = spread[:most] ** 2 / (len(offsets) - 1)
    return np.asarray(directions[:most].T / np.sqrt(variance + SHRINKAGE * variance.mean() + _SMALLEST))


def feature_distance(features: ArrayLike, arrays: FeatureArrays) -> Values:
    """Return the root mean square (B,) of features (B, C) over the axes: about 1 for a training cell."""
    return np.asarray(np.sqrt(_mean_square(_along(features, arrays))))


def class_distance(features: ArrayLike, arrays: FeatureArrays) -> Values:
    """Return the relative Mahalanobis distances (B,) of features (B, C) from the closest class (Ren et al. 2021).

    It is the mean square over the axes from the closest class, less that from all training cells; negative where a
    class describes a cell better than all training cells together do.
    """
    along = _along(features, arrays)
    from_classes = [_mean_square((along - centre) @ arrays.class_axes) for centre in arrays.class_centres]
    return np.asarray(np.min(from_classes, axis=0) - _mean_square(along))


def _along(features: ArrayLike, arrays: FeatureArrays) -> NDArray[np.float32]:
    return np.asarray((np.asarray(features, dtype=np.float32) - arrays.centre) @ arrays.axes)  # (B, P)


def _mean_square(offsets: NDArray[np.float32]) -> Values:
    return np.asarray(np.square(offsets, dtype=np.float64).mean(axis=1))


def conformal_limit(values: ArrayLike, share: float) -> float:
    """Return the limit that a new value of the same distribution is within with probability `share` or more.

    It is the ceil((N + 1) share)-th lowest of the values (N,) (split conformal prediction, Vovk et al. 2005), or the
    highest where N is too small to guarantee the share. Raises LymphoscopeError without values.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if not len(ordered):
        raise LymphoscopeError(
            "no cells to fit the limits of the OOD signals on: training and validation need readable, labelled cells"
        )
    return float(ordered[min(len(ordered), math.ceil((len(ordered) + 1) * share)) - 1])


def ood_columns(reference: OodReference | None) -> tuple[str, ...]:
    """Return the columns that a model adds to the predictions; none without an OOD reference."""
    return () if reference is None else OOD_COLUMNS


def ood_scores(
    reference: OodReference | None, statistics: "Sequence[ImageStatistics]", features: NDArray[np.float32] | None
) -> dict[OodSignal, Values]:
    """Return signal -> (B,) OOD scores of B cells with features (B, C), rounded to four decimals as shown.

    A signal is NaN where it cannot be computed, which refers the cell. `feature_distance` and `class_distance` are left
    out of a reference without limits for them. Empty without an OOD reference.
    """
    if reference is None or not len(statistics):
        return {}
    sharpness, brightness, touching, *colour = np.array(statistics, dtype=np.float64).T
    scores: dict[OodSignal, Values] = {
        "blur": _below(reference.sharpness, sharpness),
        "cut_off": touching / reference.touching,
        "exposure": np.maximum(_below(reference.brightness, brightness), _above(reference.brightness, brightness)),
        "colour": colour_distance(reference.colour, np.stack(colour, axis=1)) / reference.colour.limit,
    }
    of_features = reference.features
    if of_features.feature_distance is not None:
        distances = _distances(feature_distance, of_features, features, len(statistics))
        scores["feature_distance"] = distances / of_features.feature_distance
    if of_features.class_distance is not None:
        distances = _distances(class_distance, of_features, features, len(statistics))
        scores["class_distance"] = _above(of_features.class_distance, distances)
    return {signal: np.round(values, 4) for signal, values in scores.items()}


def overexposed(reference: OodReference | None, statistics: "Sequence[ImageStatistics]") -> NDArray[np.bool_]:
    """Return which cells (B,) are brighter than the median, so that a high exposure score means too much light.

    None of them without an OOD reference.
    """
    if reference is None:
        return np.zeros(len(statistics), dtype=bool)
    return np.array([measured.brightness for measured in statistics]) > reference.brightness.middle


def colour_distance(colour: Colour, ratios: Values) -> Values:
    """Return the Mahalanobis distances (B,) of log ratios (B, 2) from those of the training cells."""
    off = ratios - np.array(colour.centre)
    return np.asarray(np.sqrt(np.einsum("bi,ij,bj->b", off, np.array(colour.precision), off)))


def _below(usual: Range, values: Values) -> Values:
    """How far values (B,) are below the middle; the low limit is 1."""
    return (usual.middle - values) / (usual.middle - usual.low)


def _above(usual: Range | Upper, values: Values) -> Values:
    """How far values (B,) are above the middle; the high limit is 1."""
    return (values - usual.middle) / (usual.high - usual.middle)


def _distances(
    measure: Callable[[ArrayLike, FeatureArrays], Values],
    reference: FeatureReference,
    features: NDArray[np.float32] | None,
    cells: int,
) -> Values:
    if reference.arrays is None or features is None or features.shape[1:] != reference.arrays.centre.shape:
        return np.full(cells, np.nan)
    return measure(features, reference.arrays)
