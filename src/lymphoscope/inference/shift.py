"""A model, or those of several folds, and labelled cells -> the card of where it breaks."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lymphoscope.data import Manifest
from lymphoscope.data.changes import CHANGES, LEVELS, amount_text, change_image
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import REPLICATES
from lymphoscope.evaluation.metrics import Outcomes
from lymphoscope.evaluation.schema import Shift
from lymphoscope.evaluation.shift import ChangedOutcomes, judge_shift
from lymphoscope.inference.ahead import mapped_ahead
from lymphoscope.inference.cells import Cell, cells_of
from lymphoscope.inference.draw import drawn_note, drawn_places
from lymphoscope.inference.model import Model
from lymphoscope.inference.read import read_cell
from lymphoscope.inference.rows import calibrated_scores
from lymphoscope.inference.stream import BATCH_SIZE, default_workers
from lymphoscope.model_file import Description
from lymphoscope.progress import tracked

_AHEAD = 4
_STEPS = [(name, level) for name in CHANGES for level in range(1, LEVELS + 1)]

Answer = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Labels (V,) and scores (V, K) of a cell unchanged and under each step."""


class Asked(NamedTuple):
    """A cell, and the model that is asked about it."""

    cell: Cell
    model: Model


def measure_shift(
    judges: Sequence[tuple[Model, Manifest]],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    cells: int | None = None,
    workers: int | None = None,
) -> Shift:
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
    drawn = [asked[place] for place in drawn_places(labelled, cells, seed)]
    answered = list(_answers(drawn, seed, workers or default_workers()))
    kept = [each.cell for each, answer in zip(drawn, answered, strict=True) if answer is not None]
    answers = [answer for answer in answered if answer is not None]
    if not kept:
        raise LymphoscopeError(f"none of {len(drawn)} cells can be read: `lymphoscope data audit` says why")
    outcomes = _outcomes(kept, answers, description)
    steps = [
        ChangedOutcomes(name, level, amount_text(name, level), outcome)
        for (name, level), outcome in zip(_STEPS, outcomes[1:], strict=True)
    ]
    note = drawn_note(len(drawn), len(labelled), len(drawn) - len(kept), seed)
    subjects = [cell.subject for cell in kept]
    return judge_shift(subjects, outcomes[0], steps, replicates=replicates, seed=seed, note=note)


def _answers(asked: Sequence[Asked], seed: int, workers: int) -> Iterator[Answer | None]:
    prepared = mapped_ahead(partial(_variants, seed=seed), enumerate(asked), workers=workers, ahead=_AHEAD)
    for number, stack in enumerate(tracked(prepared, "changing pictures", len(asked))):
        yield None if stack is None else _predicted(asked[number].model, stack)


def _variants(numbered: tuple[int, Asked], seed: int) -> NDArray[np.uint8] | None:
    """The cell unchanged and under each step, (V, S, S, 3); None for a file that cannot be read."""
    number, (cell, model) = numbered
    pixels = read_cell(cell.path, model.description.preprocessing.as_fit()).pixels
    if pixels is None:
        return None
    of_cell = int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
    return np.stack([pixels, *(change_image(pixels, name, level, of_cell) for name, level in _STEPS)])


def _predicted(model: Model, stack: NDArray[np.uint8]) -> Answer:
    parts = np.array_split(stack, -(-len(stack) // BATCH_SIZE))
    outputs = [model.runtime.predict(part) for part in parts]
    scores = np.concatenate([each.scores for each in outputs])
    return np.concatenate([each.labels for each in outputs]), calibrated_scores(scores, model.description)


def _outcomes(cells: Sequence[Cell], answers: Sequence[Answer], description: Description) -> list[Outcomes]:
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
