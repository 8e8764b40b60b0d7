"""After training: fit calibration, score band and out-of-distribution reference on cells that gave no weights.

Those are the validation cells, which at most chose the epoch. The model of all cells of a cross-validation has too few
of its own: its scores are fitted on the held-out predictions of the models of the folds. The out-of-distribution
reference describes the training cells.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.data import Manifest, subject_groups
from lymphoscope.inference import BATCH_SIZE, Model, cells_of, load, read_batches, readable_pixels
from lymphoscope.model_file import Description, load_description, record_referral
from lymphoscope.referral import (
    CalibrationCells,
    Colour,
    FeatureCells,
    FeatureReference,
    OodReference,
    Range,
    colour_distance,
    conformal_limit,
    fit_referral,
    fit_to_held_out,
)
from lymphoscope.runs.run_folder import log
from lymphoscope.vocabulary import STREAMS

if TYPE_CHECKING:
    from lymphoscope.training import Recipe

MAX_CELLS = 2000
"""Cells of a part that are measured: enough for a quantile of one in a hundred."""

# The smallest distance of each limit from the middle: very similar training cells must not make all others strange.
_MIN_SHARPNESS, _MIN_BRIGHTNESS, _MIN_TOUCHING = 0.1, 2.0, 0.02
_RIDGE = 1e-4
"""Added to the variances of the colour's log ratios: about 1 % of colour."""

_EPOCH_CHOSEN = (
    "the calibration subjects also chose the epoch of the model; set early_stopping.keep=last and a patience of at "
    "least the number of epochs"
)
_HOW = (
    "Image limits: training and validation cells. Feature and class distance: training cells, with their limits from "
    "the validation cells."
)
_OTHER_MODELS = "they come from predictions of the models of the folds, not of this model"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MeasuredCells:
    """The N readable, labelled cells of a part."""

    probabilities: NDArray[np.float32]
    """(3, N, K) softmax of the streams, NaN where one was not run."""
    features: NDArray[np.float32] | None
    """(N, C) pooled features; None where the runtime does not give them."""
    statistics: Floats
    """(N, 5) image statistics (`data/quality.py`)."""
    paths: list[str]
    labels: list[str]
    subjects: NDArray[np.object_]
    """(N,) None where it is unknown."""

    @property
    def known_subjects(self) -> set[Any]:
        """The subjects, without missing ones."""
        return {name for name in self.subjects if name is not None}

    def feature_cells(self, features: NDArray[np.float32]) -> FeatureCells:
        """Return the cells with these features (N, C)."""
        return FeatureCells(features, np.array(self.labels, dtype=object), self.subjects)


def fit_on_validation_cells(recipe: "Recipe", manifest: Manifest, folder: Path) -> Description:
    """Fit calibration, score band and OOD reference of the model in `folder` on its own split; write model.json."""
    model = load(folder)
    description = model.description
    train, validation = (
        measure_cells(model, manifest, "train", predicted=False),
        measure_cells(model, manifest, "validation"),
    )
    in_part = manifest.table["split"] == "validation"
    groups = group_by_path(manifest.with_table(manifest.table[in_part].reset_index(drop=True)))
    class_index = {name: index for index, name in enumerate(description.classes)}
    cells = CalibrationCells(
        probabilities=validation.probabilities,
        truth=np.array([class_index[label] for label in validation.labels], dtype=np.int64),
        subjects=_groups(validation.paths, validation.subjects, groups),
        how="the validation cells, which the weights were not fitted to",
        estimate=_why_estimate(recipe, description),
    )
    return _record(recipe, folder, cells, fit_ood_reference(train, validation, recipe.referral.ood_share))


def fit_on_held_out_predictions(
    recipe: "Recipe", predictions: pd.DataFrame, folder: Path, origin: str, groups: Mapping[str, str] | None = None
) -> Description:
    """Fit calibration and score band of the model in `folder` on predictions of other models of its recipe.

    `origin` describes these predictions in the model file. `groups` maps a path to its group of subjects that share
    cells; without it every subject is its own group. The OOD reference is unchanged.
    """
    description = load_description(folder)
    class_index = {name: index for index, name in enumerate(description.classes)}
    usable = predictions[predictions["label"].isin(description.classes) & predictions["predicted"].notna()]
    cells = CalibrationCells(
        probabilities=stream_probabilities(usable, description.classes),
        truth=usable["label"].map(class_index).to_numpy().astype(np.int64),
        subjects=_groups(usable["path"], usable["subject"], groups or {}),
        how=origin,
        estimate=_OTHER_MODELS,
    )
    return _record(recipe, folder, cells, description.referral.ood_reference)


def group_by_path(manifest: Manifest) -> dict[str, str]:
    """Return path -> group of subjects that share cells. A group is one subject for the referral."""
    return dict(zip(manifest.table["path"], subject_groups(manifest), strict=True))


def stream_probabilities(predictions: pd.DataFrame, classes: tuple[str, ...]) -> NDArray[np.float32]:
    """Return the softmax (3, N, K) of the streams of a predictions table, NaN where a stream was not run.

    Where no stream is recorded, the score takes the place of the raw stream.
    """
    streams = np.stack(
        [predictions[[f"{stream}_{name}" for name in classes]].to_numpy(np.float64) for stream in STREAMS]
    )
    scores = predictions[[f"score_{name}" for name in classes]].to_numpy(np.float64)
    unrecorded = np.isnan(streams).any(axis=2).all(axis=0)
    streams[0, unrecorded] = scores[unrecorded]
    return streams.astype(np.float32)


def _groups(paths: Iterable[str], subjects: Iterable[object], groups: Mapping[str, str]) -> NDArray[np.object_]:
    """Return the group (N,) of each cell; None where its subject is unknown."""
    pairs = zip(paths, subjects, strict=True)
    known = [groups.get(path, subject) if _is_known(subject) else None for path, subject in pairs]
    return np.array(known, dtype=object)


def _is_known(subject: object) -> bool:
    return subject is not None and subject == subject


def _why_estimate(recipe: "Recipe", description: Description) -> str | None:
    """Return why validation subjects are not exchangeable with new ones: they chose the epoch; None where they are."""
    all_epochs = description.trained_on.get("epochs") == recipe.optimisation.epochs
    return None if recipe.early_stopping.keep == "last" and all_epochs else _EPOCH_CHOSEN


def _record(recipe: "Recipe", folder: Path, cells: CalibrationCells, ood_reference: OodReference | None) -> Description:
    before = load_description(folder)
    streams = before.test_time.streams if before.architecture.head == "attention" else ("raw",)
    fit = fit_referral(cells, recipe.referral, before.positive_index, streams)
    changes = {"rules": recipe.referral.rules, "band": fit.band, "ood_reference": ood_reference}
    referral = before.referral.model_copy(update=changes)
    description = record_referral(folder, calibration=fit.calibration, referral=referral)
    _log_fit(description, fit.notes)
    return description


def _log_fit(description: Description, notes: list[str]) -> None:
    calibration, band = description.calibration, description.referral.band
    if calibration is not None:
        cells = f"{calibration.cells:,} cells of {calibration.subjects} subjects"
        log(f"calibrated on {cells}: temperature {calibration.temperature:.2f}")
    for note in notes:
        log(note)
    if band is not None:
        log(f"cells with blast scores (mean softmax) from {band.low:.3g} to {band.high:.3g} are referred to a person")
        for sentence in band.sentences():
            log(sentence)


def measure_cells(model: Model, manifest: Manifest, part: str, *, predicted: bool = True) -> MeasuredCells:
    """Predict and measure the labelled cells of a part, at most MAX_CELLS, evenly from all subjects.

    Cells that are not `predicted` have features from one pass of the network, and NaN as probabilities.
    """
    table, classes = manifest.table, len(model.description.classes)
    cells = cells_of(manifest.with_table(_sample_evenly(table[(table["split"] == part) & table["label"].notna()])))
    probabilities, features, statistics, readable = [], [], [], []
    with read_batches(model.runtime, cells, batch_size=BATCH_SIZE, workers=None, measured=True) as batches:
        for batch, read in batches:
            pixels = readable_pixels(read)
            if pixels is None:
                continue
            if predicted:
                outputs = model.runtime.predict(pixels)
                probabilities.append(outputs.probabilities)
                features.append(outputs.features)
            else:
                probabilities.append(np.full((len(STREAMS), len(pixels), classes), np.nan, np.float32))
                features.append(model.runtime.features(pixels))
            statistics += [image.statistics for image in read if image.statistics is not None]
            readable += [cell for cell, image in zip(batch, read, strict=True) if image.pixels is not None]
    known_features = [values for values in features if values is not None]
    has_features = bool(known_features) and len(known_features) == len(features)
    no_cells = np.zeros((len(STREAMS), 0, classes), np.float32)
    return MeasuredCells(
        probabilities=np.concatenate(probabilities, axis=1) if probabilities else no_cells,
        features=np.concatenate(known_features) if has_features else None,
        statistics=np.array(statistics, dtype=np.float64).reshape(-1, 5),
        paths=[cell.path for cell in readable],
        labels=[str(cell.label) for cell in readable],
        subjects=np.array([cell.subject for cell in readable], dtype=object),
    )


def fit_ood_reference(train: MeasuredCells, validation: MeasuredCells, share: float) -> OodReference | None:
    """Describe the training cells, with limits that `share` of them accept; None for fewer than two cells.

    An image limit is a quantile over both parts, because no weight was fitted to it. The limits in feature space come
    from the validation cells (`fit_to_held_out`).
    """
    if len(train.labels) < 2:
        return None
    both = np.concatenate([train.statistics, validation.statistics])
    sharpness, brightness, touching = both[:, 0], both[:, 1], both[:, 2]
    return OodReference(
        **dict(_feature_reference(train, validation, share)),
        share=share,
        cells=len(both),
        subjects=len(train.known_subjects | validation.known_subjects),
        sharpness=_range(sharpness, share, _MIN_SHARPNESS),
        brightness=_range(brightness, share, _MIN_BRIGHTNESS),
        touching=max(conformal_limit(touching, share), _MIN_TOUCHING),
        colour=_colour(both[:, 3:], share),
    )


def _feature_reference(train: MeasuredCells, validation: MeasuredCells, share: float) -> FeatureReference:
    if train.features is not None:
        none = np.empty((0, train.features.shape[1]), np.float32)
        held_out = validation.feature_cells(none if validation.features is None else validation.features)
        return fit_to_held_out(train.feature_cells(train.features), held_out, share, _HOW)
    return FeatureReference(
        feature_distance=None,
        class_distance=None,
        feature_distance_cells=len(validation.labels),
        feature_distance_subjects=len(validation.known_subjects),
        how=_HOW,
    )


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
    """Return at most MAX_CELLS rows: random cells of every subject, as many of each as possible."""
    if len(table) <= MAX_CELLS:
        return table
    rank = table.sample(frac=1, random_state=0).groupby("subject", dropna=False).cumcount()
    return table.loc[rank.sort_values(kind="stable").index[:MAX_CELLS]].sort_index()
