"""What the cells that a model was trained on look like: to its network, and to plain measurements of their pictures."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.data import Manifest
from lymphoscope.inference import BATCH_SIZE, Model, cells_of, read_batches, readable_pixels
from lymphoscope.referral import (
    Colour,
    FeatureArrays,
    OodReference,
    Range,
    colour_distance,
    conformal_limit,
    feature_distance,
    feature_space,
)

MOST_CELLS = 2000
"""Cells of a part that are looked at: enough for a quantile of one in a hundred."""

# The least that the limits lie from the middle, so that cells that are all alike do not make every other one strange.
_SHARPNESS, _BRIGHTNESS, _TOUCHING, _DISTANCE = 0.1, 2.0, 0.02, 0.5
_RIDGE = 1e-4
"""Added to the variances of the colour's log ratios: about 1 % of colour."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """The N readable cells of a part: scores (N, K), features (N, C) or None, statistics (N, 5), labels, subjects."""

    scores: NDArray[np.float32]
    features: NDArray[np.float32] | None
    statistics: Floats
    labels: list[str]
    subjects: NDArray[np.object_]

    @property
    def people(self) -> set[Any]:
        """The subjects, where they are known."""
        return {name for name in self.subjects if name is not None}


def seen_cells(model: Model, manifest: Manifest, part: str) -> Seen:
    """Predict and measure the labelled cells of a part, at most MOST_CELLS, evenly from all subjects."""
    table = manifest.table
    cells = cells_of(manifest.with_table(_evenly(table[(table["split"] == part) & table["label"].notna()])))
    scores, features, measured, kept = [], [], [], []
    with read_batches(model.runtime, cells, batch_size=BATCH_SIZE, workers=None, measured=True) as batches:
        for batch, read in batches:
            pixels = readable_pixels(read)
            if pixels is None:
                continue
            outputs = model.runtime.predict(pixels)
            scores.append(outputs.scores)
            features.append(outputs.features)
            measured += [seen.statistics for seen in read if seen.statistics is not None]
            kept += [cell for cell, seen in zip(batch, read, strict=True) if seen.pixels is not None]
    known = [each for each in features if each is not None]
    return Seen(
        scores=np.concatenate(scores) if scores else np.zeros((0, len(model.description.classes)), np.float32),
        features=np.concatenate(known) if known and len(known) == len(features) else None,
        statistics=np.array(measured, dtype=np.float64).reshape(-1, 5),
        labels=[str(cell.label) for cell in kept],
        subjects=np.array([cell.subject for cell in kept], dtype=object),
    )


def fit_ood_reference(known: Seen, inner: Seen, share: float) -> OodReference | None:
    """What `known` (training) cells look like, with limits that `inner` ones keep too; None for fewer than two cells.

    A limit of the pictures is a quantile of both parts' cells, as no weight was fitted to it. The distance in feature
    space is shorter for cells that the weights were fitted to, so its limit is that of the inner cells, or that of the
    training cells where a few inner ones happen to lie closer.
    """
    if len(known.labels) < 2:
        return None
    both = np.concatenate([known.statistics, inner.statistics])
    sharpness, brightness, touching = both[:, 0], both[:, 1], both[:, 2]
    arrays, feature_distance = _feature_limit(known, inner, share)
    return OodReference(
        share=share,
        cells=len(both),
        subjects=len(known.people | inner.people),
        feature_distance=feature_distance,
        feature_distance_cells=len(inner.labels),
        feature_distance_subjects=len(inner.people),
        sharpness=_range(sharpness, share, _SHARPNESS),
        brightness=_range(brightness, share, _BRIGHTNESS),
        touching=max(conformal_limit(touching, share), _TOUCHING),
        colour=_colour(both[:, 3:], share),
        how="Image limits: training and validation cells. Feature distance: training cells, with its limit from the "
        "validation cells.",
        arrays=arrays,
    )


def _feature_limit(known: Seen, inner: Seen, share: float) -> tuple[FeatureArrays | None, float | None]:
    if known.features is None:
        return None, None
    centre, axes = feature_space(known.features)
    parts = [part.features for part in (known, inner) if part.features is not None and len(part.features)]
    limits = [conformal_limit(feature_distance(features, centre, axes), share) for features in parts]
    return FeatureArrays(centre, axes), max(*limits, _DISTANCE)


def _range(values: Floats, share: float, least: float) -> Range:
    middle = float(np.median(values))
    low, high = -conformal_limit(-values, share), conformal_limit(values, share)
    return Range(low=min(low, middle - least), middle=middle, high=max(high, middle + least))


def _colour(ratios: Floats, share: float) -> Colour:
    centre = np.median(ratios, axis=0)
    precision: Floats = np.linalg.inv(np.cov(ratios, rowvar=False) + _RIDGE * np.eye(2)).astype(np.float64)
    loose = Colour(centre=tuple(centre.tolist()), precision=_pairs(precision), limit=1.0)
    limit = max(conformal_limit(colour_distance(loose, ratios), share), 1.0)
    return loose.model_copy(update={"limit": limit})


def _pairs(matrix: Floats) -> tuple[tuple[float, float], tuple[float, float]]:
    (a, b), (c, d) = matrix.tolist()
    return (a, b), (c, d)


def _evenly(table: pd.DataFrame) -> pd.DataFrame:
    """At most MOST_CELLS rows: the first cells of every subject, then the second ones, and so on."""
    if len(table) <= MOST_CELLS:
        return table
    turn = table.groupby("subject", dropna=False).cumcount()
    return table.loc[turn.sort_values(kind="stable").index[:MOST_CELLS]].sort_index()
