"""The scores of a model on the same cells, uncorrupted and under each corruption."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import (
    METRICS,
    REPLICATES,
    CorruptionStep,
    Outcomes,
    Robustness,
    Scores,
    difference_group,
    draw_bootstrap_samples,
    metric_group,
)
from lymphoscope.inference import (
    BATCH_SIZE,
    Cell,
    Model,
    calibrated_scores,
    cells_of,
    default_workers,
    load_cell,
    prefetch_map,
)
from lymphoscope.model_file import Description
from lymphoscope.progress import tracked
from lymphoscope.robustness.corruptions import CORRUPTIONS, LEVELS, corrupt_image, describe_amount
from lymphoscope.robustness.sampling import sample_indices, sampling_note
from lymphoscope.terminal import counted

_COMPARED: Final = "balanced_accuracy"
_PREFETCH: Final = 4
_STEPS: Final = [(name, level) for name in CORRUPTIONS for level in range(1, LEVELS + 1)]

_Predictions = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Predicted classes (V,) and scores (V, K) of a cell, uncorrupted and under each step."""


@dataclass(frozen=True)
class CorruptedOutcomes:
    """The outcomes of N cells under one corruption at one severity level; `amount` is its amount in words."""

    corruption: str
    level: int
    amount: str
    outcomes: Outcomes


class _Assigned(NamedTuple):
    """A cell and the model that predicts it."""

    cell: Cell
    model: Model


def measure_corruptions(
    evaluations: Sequence[tuple[Model, Manifest]],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    max_cells: int | None = None,
    workers: int | None = None,
) -> Robustness:
    """Score labelled cells uncorrupted and under nine corruptions of five severity levels each (docs/robustness.md).

    `evaluations` are models of the same classes with the cells that each predicts: one, or those of a cross-validation.
    Costs 46 predictions per cell; `max_cells` limits it to a sample. Each cell is decoded once, and a few cells with
    their corruptions are in memory at a time. Raises LymphoscopeError for labels that the model does not know, for no
    labelled cells, and if no cell can be read.
    """
    labelled = [
        _Assigned(cell, model)
        for model, manifest in evaluations
        for cell in cells_of(manifest)
        if cell.label is not None
    ]
    description = evaluations[0][0].description
    cells = [each.cell for each in labelled]
    description.check_labels(cell.label for cell in cells if cell.label)
    sampled = [labelled[index] for index in sample_indices(cells, max_cells, seed)]
    predictions = list(_predict_all(sampled, seed, workers or default_workers()))
    readable = [each.cell for each, answer in zip(sampled, predictions, strict=True) if answer is not None]
    if not readable:
        raise LymphoscopeError(
            f"none of {counted(len(sampled), 'cell')} is readable: `lymphoscope data audit` says why"
        )
    uncorrupted, *corrupted = _outcomes(readable, [each for each in predictions if each is not None], description)
    steps = [
        CorruptedOutcomes(name, level, describe_amount(name, level), outcomes)
        for (name, level), outcomes in zip(_STEPS, corrupted, strict=True)
    ]
    note = sampling_note(len(sampled), len(labelled), len(sampled) - len(readable), seed)
    subjects = [cell.subject for cell in readable]
    return score_corruptions(subjects, uncorrupted, steps, replicates=replicates, seed=seed, note=note)


def score_corruptions(
    subjects: Sequence[str | None],
    uncorrupted: Outcomes,
    corrupted: Sequence[CorruptedOutcomes],
    *,
    replicates: int,
    seed: int = 0,
    note: str | None = None,
) -> Robustness:
    """Score N cells of `subjects` (N,) uncorrupted and under each corruption, all with the same bootstrap samples.

    A step has a `significant_drop` if the paired interval of its difference in balanced accuracy lies below 0. One step
    in forty does so by chance alone.
    """
    samples = draw_bootstrap_samples(
        pd.DataFrame({"subject": list(subjects)}), uncorrupted, replicates=replicates, seed=seed
    )
    every = np.ones(len(uncorrupted.truth), dtype=bool)
    groups = {"uncorrupted": metric_group(uncorrupted, every)}
    of_difference = {_COMPARED: METRICS[_COMPARED]}
    before = metric_group(uncorrupted, every, of_difference).remembered()
    for index, step in enumerate(corrupted):
        groups[f"{index}"] = metric_group(step.outcomes, every)
        groups[f"{index} difference"] = difference_group(metric_group(step.outcomes, every, of_difference), before)
    estimates = samples.estimate(groups)
    return Robustness(
        cells=len(every),
        uncorrupted=Scores(estimates=estimates["uncorrupted"]),
        steps=[
            CorruptionStep(
                corruption=step.corruption,
                level=step.level,
                amount=step.amount,
                scores=Scores(estimates=estimates[f"{index}"]),
                significant_drop=_is_below_zero(estimates[f"{index} difference"][_COMPARED].high),
            )
            for index, step in enumerate(corrupted)
        ],
        note=note,
    )


def _is_below_zero(upper_end: float | None) -> bool:
    return upper_end is not None and upper_end < 0


def _predict_all(assigned: Sequence[_Assigned], seed: int, workers: int) -> Iterator[_Predictions | None]:
    make = partial(_corrupted_stack, seed=seed)
    with prefetch_map(make, enumerate(assigned), workers=workers, buffer_size=_PREFETCH) as stacks:
        for number, stack in enumerate(tracked(stacks, "predicting corrupted images", len(assigned))):
            yield None if stack is None else _predict(assigned[number].model, stack)


def _corrupted_stack(numbered: tuple[int, _Assigned], seed: int) -> NDArray[np.uint8] | None:
    """The cell uncorrupted and under each step, (V, S, S, 3); None for a file that cannot be read."""
    number, (cell, model) = numbered
    preparation = model.description.preprocessing.preparation()
    # A corruption happens in the microscope, so before the stain is normalised.
    pixels = load_cell(cell, replace(preparation, stain=None)).pixels
    if pixels is None:
        return None
    cell_seed = int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
    corrupted = (corrupt_image(pixels, name, level, cell_seed) for name, level in _STEPS)
    return np.stack([preparation.normalize(each) for each in (pixels, *corrupted)])


def _predict(model: Model, stack: NDArray[np.uint8]) -> _Predictions:
    batches = np.array_split(stack, -(-len(stack) // BATCH_SIZE))
    outputs = [model.runtime.predict(batch) for batch in batches]
    scores = np.concatenate([each.scores for each in outputs])
    return np.concatenate([each.labels for each in outputs]), calibrated_scores(scores, model.description)


def _outcomes(cells: Sequence[Cell], predictions: Sequence[_Predictions], description: Description) -> list[Outcomes]:
    """The outcomes of all cells, uncorrupted and then step by step."""
    classes, blast = description.classes, description.blast_class
    truth = np.array([classes.index(cell.label or "") for cell in cells], dtype=np.int64)
    labels = np.stack([labels for labels, _ in predictions], axis=1).astype(np.int64)  # (V, N)
    scores = np.stack([scores for _, scores in predictions], axis=1).astype(np.float64)  # (V, N, K)
    positive_index = None if blast is None else classes.index(blast)
    return [
        Outcomes(truth, predicted, score, classes, positive_index)
        for predicted, score in zip(labels, scores, strict=True)
    ]
