"""How unlike the cells that a model knows a cell is, in a number a signal: 1 is the limit, above it a person looks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lymphoscope.data.quality import PictureStatistics
from lymphoscope.evaluation.familiarity import feature_distance
from lymphoscope.model_file import SIGNALS, Colour, Description, Familiarity, Range

Values = NDArray[np.float64]

DOUBT = "doubt_"


def doubt_columns(description: Description) -> list[str]:
    """The columns that a model adds to the predictions; none where it does not know its cells."""
    return [] if description.familiarity is None else [f"{DOUBT}{signal}" for signal in SIGNALS]


def doubts_of_batch(
    description: Description, statistics: Sequence[PictureStatistics], features: NDArray[np.float32] | None
) -> dict[str, Values]:
    """Signal -> (B,) doubts of B cells with features (B, C); novelty is NaN where it cannot be known.

    To four decimals, as shown. Empty where the model does not know its cells.
    """
    known = description.familiarity
    if known is None or not len(statistics):
        return {}
    sharpness, brightness, touching, *colour = np.array(statistics, dtype=np.float64).T
    found = {
        "novelty": _novelty(known, features, len(statistics)),
        "blur": below(known.sharpness, sharpness),
        "cut_off": touching / known.touching,
        "exposure": np.maximum(below(known.brightness, brightness), above(known.brightness, brightness)),
        "colour": colour_distance(known.colour, np.stack(colour, axis=1)) / known.colour.limit,
    }
    return {signal: np.round(values, 4) for signal, values in found.items()}


def overexposed(known: Familiarity, statistics: Sequence[PictureStatistics]) -> NDArray[np.bool_]:
    """Which cells (B,) are brighter than the middle, so that their doubt of exposure is one of too much light."""
    return np.array([measured.brightness for measured in statistics]) > known.brightness.middle


def below(usual: Range, values: Values) -> Values:
    """How far values (B,) lie below the middle, the low limit being 1."""
    return (usual.middle - values) / (usual.middle - usual.low)


def above(usual: Range, values: Values) -> Values:
    """How far values (B,) lie above the middle, the high limit being 1."""
    return (values - usual.middle) / (usual.high - usual.middle)


def colour_distance(known: Colour, ratios: Values) -> Values:
    """Mahalanobis' distance (B,) of the log ratios (B, 2) from those of the training cells."""
    off = ratios - np.array(known.centre)
    return np.asarray(np.sqrt(np.einsum("bi,ij,bj->b", off, np.array(known.precision), off)))


def _novelty(known: Familiarity, features: NDArray[np.float32] | None, cells: int) -> Values:
    if known.arrays is None or known.novelty is None or features is None:
        return np.full(cells, np.nan)
    return feature_distance(features, known.arrays.centre, known.arrays.axes) / known.novelty
