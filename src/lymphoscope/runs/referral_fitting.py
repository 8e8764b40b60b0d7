"""After training: fit calibration, score band and out-of-distribution reference on cells that gave no weights.

Those are the validation cells, which at most chose the epoch. The model of all cells of a cross-validation has too few
of its own: its scores are fitted on the held-out predictions of the models of the folds. The out-of-distribution
reference describes the training cells.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.data import Manifest
from lymphoscope.evaluation import mean_of_streams
from lymphoscope.inference import BATCH_SIZE, Model, cells_of, load, read_batches, readable_pixels
from lymphoscope.model_file import Description, load_description, record_referral
from lymphoscope.referral import (
    Calibration,
    Colour,
    FeatureArrays,
    OodReference,
    Range,
    ScoreBand,
    colour_distance,
    conformal_limit,
    feature_distance,
    feature_space,
    fit_calibration,
)
from lymphoscope.runs.run_folder import log

if TYPE_CHECKING:
    from lymphoscope.training import Recipe, ReferralRecipe

MAX_CELLS = 2000
"""Cells of a part that are measured: enough for a quantile of one in a hundred."""

# The smallest distance of each limit from the middle: very similar training cells must not make all others strange.
_MIN_SHARPNESS, _MIN_BRIGHTNESS, _MIN_TOUCHING, _MIN_DISTANCE = 0.1, 2.0, 0.02, 0.5
_RIDGE = 1e-4
"""Added to the variances of the colour's log ratios: about 1 % of colour."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MeasuredCells:
    """The N readable cells of a part: scores (N, K), features (N, C) or None, statistics (N, 5), labels, subjects."""

    scores: NDArray[np.float32]
    features: NDArray[np.float32] | None
    statistics: Floats
    labels: list[str]
    subjects: NDArray[np.object_]

    @property
    def known_subjects(self) -> set[Any]:
        """The subjects, without missing ones."""
        return {name for name in self.subjects if name is not None}


@dataclass(frozen=True)
class CalibrationCells:
    """N labelled cells to calibrate on: mean softmax (N, K), class indices (N,), subjects (N,), and their origin."""

    scores: Floats
    truth: NDArray[np.int64]
    subjects: NDArray[np.object_]
    origin: str


def fit_on_validation_cells(recipe: "Recipe", manifest: Manifest, folder: Path) -> Description:
    """Fit calibration, score band and OOD reference of the model in `folder` on its own split; write model.json."""
    model = load(folder)
    train, validation = (measure_cells(model, manifest, part) for part in ("train", "validation"))
    class_index = {name: index for index, name in enumerate(model.description.classes)}
    cells = CalibrationCells(
        scores=validation.scores.astype(np.float64),
        truth=np.array([class_index[label] for label in validation.labels], dtype=np.int64),
        subjects=validation.subjects,
        origin="the validation cells, which gave no weights",
    )
    ood_reference = fit_ood_reference(train, validation, recipe.referral.familiar)
    return _record(recipe.referral, folder, cells, ood_reference)


def fit_on_held_out_predictions(recipe: "Recipe", predictions: pd.DataFrame, folder: Path, origin: str) -> Description:
    """Fit calibration and score band of the model in `folder` on predictions of other models of its recipe.

    `origin` describes these predictions in the model file. The OOD reference is unchanged.
    """
    description = load_description(folder)
    class_index = {name: index for index, name in enumerate(description.classes)}
    usable = predictions[predictions["label"].isin(description.classes) & predictions["predicted"].notna()]
    cells = CalibrationCells(
        scores=mean_of_streams(usable, description.classes),
        truth=usable["label"].map(class_index).to_numpy().astype(np.int64),
        subjects=usable["subject"].to_numpy(object),
        origin=origin,
    )
    return _record(recipe.referral, folder, cells, description.referral.ood_reference)


def _record(
    recipe: "ReferralRecipe", folder: Path, cells: CalibrationCells, ood_reference: OodReference | None
) -> Description:
    before = load_description(folder)
    calibration, band = fit_scores(recipe, cells, before)
    changes = {"rules": recipe.rules, "band": band, "ood_reference": ood_reference}
    description = record_referral(folder, calibration=calibration, referral=before.referral.model_copy(update=changes))
    _log_fit(description)
    return description


def fit_scores(
    recipe: "ReferralRecipe", cells: CalibrationCells, description: Description
) -> tuple[Calibration | None, ScoreBand | None]:
    """Fit temperature and score band; None if a class has no cell, and no band without a blast class."""
    if len(np.unique(cells.truth)) < len(description.classes):
        return None, None
    rates = recipe.model_dump(include={"miss_rate", "false_alarm_rate", "confidence"})
    fit = fit_calibration(cells.scores, cells.truth, cells.subjects, description.positive_index, **rates)
    calibration = Calibration(
        temperature=fit.temperature,
        cells=len(cells.truth),
        subjects=len({name for name in cells.subjects if name is not None and name == name}),
        how=f"On {cells.origin}.",
    )
    if fit.band is None:
        return calibration, None
    how = f"On {cells.origin}, each subject's scores calibrated without it."
    return calibration, fit.band.model_copy(update={"how": how})


def _log_fit(description: Description) -> None:
    calibration, band = description.calibration, description.referral.band
    if calibration is None:
        log("not calibrated and no score band: a class has no cell in the validation part")
        return
    log(
        f"calibrated on {calibration.cells:,} cells of {calibration.subjects} validation subjects: temperature "
        f"{calibration.temperature:.2f}"
    )
    if band is not None:
        log(f"cells with blast scores from {band.low:.3f} to {band.high:.3f} are referred to a person")
        for reason in filter(None, (band.low_reason, band.high_reason)):
            log(f"nothing is signed off on one side: {reason}")


def measure_cells(model: Model, manifest: Manifest, part: str) -> MeasuredCells:
    """Predict and measure the labelled cells of a part, at most MAX_CELLS, evenly from all subjects."""
    table = manifest.table
    cells = cells_of(manifest.with_table(_sample_evenly(table[(table["split"] == part) & table["label"].notna()])))
    scores, features, statistics, readable = [], [], [], []
    with read_batches(model.runtime, cells, batch_size=BATCH_SIZE, workers=None, measured=True) as batches:
        for batch, read in batches:
            pixels = readable_pixels(read)
            if pixels is None:
                continue
            outputs = model.runtime.predict(pixels)
            scores.append(outputs.scores)
            features.append(outputs.features)
            statistics += [image.statistics for image in read if image.statistics is not None]
            readable += [cell for cell, image in zip(batch, read, strict=True) if image.pixels is not None]
    known_features = [values for values in features if values is not None]
    has_features = bool(known_features) and len(known_features) == len(features)
    return MeasuredCells(
        scores=np.concatenate(scores) if scores else np.zeros((0, len(model.description.classes)), np.float32),
        features=np.concatenate(known_features) if has_features else None,
        statistics=np.array(statistics, dtype=np.float64).reshape(-1, 5),
        labels=[str(cell.label) for cell in readable],
        subjects=np.array([cell.subject for cell in readable], dtype=object),
    )


def fit_ood_reference(train: MeasuredCells, validation: MeasuredCells, share: float) -> OodReference | None:
    """Describe the training cells, with limits that `share` of them accept; None for fewer than two cells.

    An image limit is a quantile over both parts, because no weight was fitted to it. Distances in feature space are
    shorter for cells that the weights were fitted to, so that limit comes from the validation cells, or from the
    training cells if a few validation cells happen to be closer.
    """
    if len(train.labels) < 2:
        return None
    both = np.concatenate([train.statistics, validation.statistics])
    sharpness, brightness, touching = both[:, 0], both[:, 1], both[:, 2]
    arrays, distance_limit = _feature_limit(train, validation, share)
    return OodReference(
        share=share,
        cells=len(both),
        subjects=len(train.known_subjects | validation.known_subjects),
        feature_distance=distance_limit,
        feature_distance_cells=len(validation.labels),
        feature_distance_subjects=len(validation.known_subjects),
        sharpness=_range(sharpness, share, _MIN_SHARPNESS),
        brightness=_range(brightness, share, _MIN_BRIGHTNESS),
        touching=max(conformal_limit(touching, share), _MIN_TOUCHING),
        colour=_colour(both[:, 3:], share),
        how="Image limits: training and validation cells. Feature distance: training cells, with its limit from the "
        "validation cells.",
        arrays=arrays,
    )


def _feature_limit(
    train: MeasuredCells, validation: MeasuredCells, share: float
) -> tuple[FeatureArrays | None, float | None]:
    if train.features is None:
        return None, None
    centre, axes = feature_space(train.features)
    parts = [part.features for part in (train, validation) if part.features is not None and len(part.features)]
    limits = [conformal_limit(feature_distance(features, centre, axes), share) for features in parts]
    return FeatureArrays(centre, axes), max(*limits, _MIN_DISTANCE)


def _range(values: Floats, share: float, min_distance: float) -> Range:
    middle = float(np.median(values))
    low, high = -conformal_limit(-values, share), conformal_limit(values, share)
    return Range(low=min(low, middle - min_distance), middle=middle, high=max(high, middle + min_distance))


def _colour(ratios: Floats, share: float) -> Colour:
    (a, b), (c, d) = np.linalg.inv(np.cov(ratios, rowvar=False) + _RIDGE * np.eye(2)).tolist()
    centre = np.median(ratios, axis=0)
    unlimited = Colour(centre=tuple(centre.tolist()), precision=((a, b), (c, d)), limit=1.0)
    return unlimited.model_copy(update={"limit": max(conformal_limit(colour_distance(unlimited, ratios), share), 1.0)})


def _sample_evenly(table: pd.DataFrame) -> pd.DataFrame:
    """Return at most MAX_CELLS rows: the first cell of every subject, then the second ones, and so on."""
    if len(table) <= MAX_CELLS:
        return table
    rank = table.groupby("subject", dropna=False).cumcount()
    return table.loc[rank.sort_values(kind="stable").index[:MAX_CELLS]].sort_index()
