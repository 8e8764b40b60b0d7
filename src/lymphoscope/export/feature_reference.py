"""The OOD reference in feature space of a network that rounds, measured on labelled cells with that network.

Rounding moves the features of every cell, so the axes and limits of the network in float32 do not describe it. With
them, `blast` refers all of its training cells in int8 without corrected biases, and nearly all in OpenVINO's bfloat16.
"""

import math

import numpy as np
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.export.sample_cells import SampleCells
from lymphoscope.inference import TernaryRuntime
from lymphoscope.model_file import Description
from lymphoscope.referral import FeatureCells, FeatureReference, OodReference, fit_by_cross_fitting, fit_to_held_out

BATCH_SIZE = 16


def check_reference_cells(cells: SampleCells, description: Description, reference: OodReference) -> None:
    """Raise LymphoscopeError if the cells cannot show what the training cells look like.

    That needs labels, cells of every class and of no other one, and as many as a limit for the reference's share needs.
    """
    labels = [label for label in cells.labels if label is not None]
    absent = [name for name in description.classes if name not in labels]
    needed = math.ceil(reference.share / (1 - reference.share))
    description.check_labels(labels)
    if not labels:
        problem = "they have no labels; give --calibration a source with labels, such as a folder per class"
    elif absent:
        problem = f"none is of the class {absent[0]!r}"
    elif len(labels) < needed:
        problem = f"{len(labels)} labelled cells are fewer than {needed}"
    else:
        return
    raise LymphoscopeError(f"{cells.source} cannot show what the training cells look like: {problem}")


def measure_feature_reference(runtime: TernaryRuntime, cells: SampleCells, reference: OodReference) -> FeatureReference:
    """Measure labelled cells with a network, as training measured its cells with the network in float32.

    If every validation subject of the model is among the cells, the limits are measured on these subjects and the axes
    on the training subjects, as those of float32 were. Otherwise both are measured on all cells, by cross-fitting.
    """
    cells = cells.labelled()
    subjects = cells.subjects or (None,) * len(cells.labels)
    starts = range(0, len(cells.pixels), BATCH_SIZE)
    measured = FeatureCells(
        np.concatenate([runtime.features(cells.pixels[start : start + BATCH_SIZE]) for start in starts]),
        np.array(cells.labels, dtype=object),
        np.array(subjects, dtype=object),
    )
    of_features = f"Feature and class distance: {cells.source}, with "
    parts = _parts_of_training(measured, runtime.description)
    if parts is None:
        return fit_by_cross_fitting(measured, reference.share, f"{of_features}limits by cross-fitting.")
    train, validation = parts
    how = f"{of_features}axes from the training subjects and limits from the validation subjects."
    return fit_to_held_out(measured[train], measured[validation], reference.share, how)


def _parts_of_training(
    cells: FeatureCells, description: Description
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Return which cells (N,) are of training and of validation subjects; None unless they are as in training."""
    recorded = description.trained_on.get("subjects", {})
    train, validation = (
        np.array([subject in set(recorded.get(part, ())) for subject in cells.subjects], dtype=bool)
        for part in ("train", "validation")
    )
    complete = validation.any() and set(recorded["validation"]) <= set(cells.subjects)
    return (train, validation) if complete and set(description.classes) <= set(cells.labels[train]) else None
