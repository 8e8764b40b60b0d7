"""What a model said of the same cells, unchanged and under each change of the picture -> where it breaks.

A model, or those of several folds, and labelled cells -> the card of where it breaks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

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
from lymphoscope.inference.inputs import Cell, cells_of, read_cell
from lymphoscope.inference.model import Model
from lymphoscope.inference.pipeline import BATCH_SIZE, default_workers, prefetch_map
from lymphoscope.inference.rows import calibrated_scores
from lymphoscope.model_file import Description
from lymphoscope.progress import tracked
from lymphoscope.robustness.corruptions import CORRUPTIONS, LEVELS, amount_text, corrupt_image
from lymphoscope.robustness.sampling import sample_indices, sampling_note

_COMPARED = "balanced_accuracy"


@dataclass(frozen=True)
class CorruptedOutcomes:
    """What was said of the N cells under one change of one level; `amount` is its strength in words."""

    change: str
    level: int
    amount: str
    outcomes: Outcomes


def score_corruptions(
    subjects: Sequence[str | None],
    unchanged: Outcomes,
    changed: Sequence[CorruptedOutcomes],
    *,
    replicates: int,
    seed: int = 0,
    note: str | None = None,
) -> Robustness:
    """Score N cells of `subjects` (N,) unchanged and under each change, all with the same bootstrap draws.

    A step has `significant_drop` where its balanced accuracy fell and the paired interval of the difference
    lies below 0; with many steps, one in forty falls so by chance alone.
    """
    samples = draw_bootstrap_samples(
        pd.DataFrame({"subject": list(subjects)}), unchanged, replicates=replicates, seed=seed
    )
    every = np.ones(len(unchanged.truth), dtype=bool)
    groups = {"uncorrupted": metric_group(unchanged, every)}
    of_difference = {_COMPARED: METRICS[_COMPARED]}
    before = metric_group(unchanged, every, of_difference)
    for index, step in enumerate(changed):
        groups[f"{index}"] = metric_group(step.outcomes, every)
        groups[f"{index} difference"] = difference_group(metric_group(step.outcomes, every, of_difference), before)
    estimates = samples.estimate(groups)
    return Robustness(
        cells=len(every),
        uncorrupted=Scores(estimates=estimates["uncorrupted"]),
        steps=[
            CorruptionStep(
                corruption=step.change,
                level=step.level,
                amount=step.amount,
                scores=Scores(estimates=estimates[f"{index}"]),
                significant_drop=_significant_drop(estimates[f"{index} difference"][_COMPARED].high),
            )
            for index, step in enumerate(changed)
        ],
        note=note,
    )


def _significant_drop(upper_end: float | None) -> bool:
    return upper_end is not None and upper_end < 0


_AHEAD = 4
_STEPS = [(name, level) for name in CORRUPTIONS for level in range(1, LEVELS + 1)]

_Predictions = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Labels (V,) and scores (V, K) of a cell unchanged and under each step."""


class Asked(NamedTuple):
    """A cell, and the model that is asked about it."""

    cell: Cell
    model: Model


def measure_corruptions(
    judges: Sequence[tuple[Model, Manifest]],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    cells: int | None = None,
    workers: int | None = None,
) -> Robustness:
    """Score labelled cells unchanged and under nine changes of five levels each (docs/stress.md).

    `judges` are models and the cells that each judges: one, or those of a cross-validation, of the same classes.
    Costs 46 predictions a cell: `cells` bounds it to a draw of so many. Each cell is decoded once, and a few cells with
    their changes are in memory at a time. Raises LymphoscopeError for labels that the model does not know, for no
    labelled cells, and where none can be read.
    """
    asked = [Asked(cell, model) for model, manifest in judges for cell in cells_of(manifest) if cell.label is not None]
    description = judges[0][0].description
    labelled = [each.cell for each in asked]
    _check_labels(labelled, description)
    drawn = [asked[place] for place in sample_indices(labelled, cells, seed)]
    answered = list(_answers(drawn, seed, workers or default_workers()))
    kept = [each.cell for each, answer in zip(drawn, answered, strict=True) if answer is not None]
    answers = [answer for answer in answered if answer is not None]
    if not kept:
        raise LymphoscopeError(f"none of {len(drawn)} cells can be read: `lymphoscope data audit` says why")
    outcomes = _outcomes(kept, answers, description)
    steps = [
        CorruptedOutcomes(name, level, amount_text(name, level), outcome)
        for (name, level), outcome in zip(_STEPS, outcomes[1:], strict=True)
    ]
    note = sampling_note(len(drawn), len(labelled), len(drawn) - len(kept), seed)
    subjects = [cell.subject for cell in kept]
    return score_corruptions(subjects, outcomes[0], steps, replicates=replicates, seed=seed, note=note)


def _answers(asked: Sequence[Asked], seed: int, workers: int) -> Iterator[_Predictions | None]:
    prepared = prefetch_map(partial(_variants, seed=seed), enumerate(asked), workers=workers, ahead=_AHEAD)
    for number, stack in enumerate(tracked(prepared, "changing pictures", len(asked))):
        yield None if stack is None else _predicted(asked[number].model, stack)


def _variants(numbered: tuple[int, Asked], seed: int) -> NDArray[np.uint8] | None:
    """The cell unchanged and under each step, (V, S, S, 3); None for a file that cannot be read."""
    number, (cell, model) = numbered
    pixels = read_cell(cell.path, model.description.preprocessing.geometry()).pixels
    if pixels is None:
        return None
    of_cell = int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
    return np.stack([pixels, *(corrupt_image(pixels, name, level, of_cell) for name, level in _STEPS)])


def _predicted(model: Model, stack: NDArray[np.uint8]) -> _Predictions:
    parts = np.array_split(stack, -(-len(stack) // BATCH_SIZE))
    outputs = [model.runtime.predict(part) for part in parts]
    scores = np.concatenate([each.scores for each in outputs])
    return np.concatenate([each.labels for each in outputs]), calibrated_scores(scores, model.description)


def _outcomes(cells: Sequence[Cell], answers: Sequence[_Predictions], description: Description) -> list[Outcomes]:
    """What was said of all cells, unchanged and then step by step."""
    classes, blast = description.classes, description.blast_class
    truth = np.array([classes.index(cell.label or "") for cell in cells], dtype=np.int64)
    labels = np.stack([labels for labels, _ in answers], axis=1).astype(np.int64)  # (V, N)
    scores = np.stack([scores for _, scores in answers], axis=1).astype(np.float64)  # (V, N, K)
    kind = None if blast is None else classes.index(blast)
    return [Outcomes(truth, said, score, classes, kind) for said, score in zip(labels, scores, strict=True)]


def _check_labels(cells: Sequence[Cell], description: Description) -> None:
    unknown = sorted({cell.label or "" for cell in cells} - set(description.classes))
    if unknown:
        known = ", ".join(description.classes)
        raise LymphoscopeError(f"class {unknown[0]!r} of the data is not one of the model's: {known}")
