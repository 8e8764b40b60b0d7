"""A model, or those of several folds, and cells -> whether its attention maps show what its scores rest on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import REPLICATES, Floats, Indices, Saliency
from lymphoscope.inference.inputs import Cell, cells_of, read_cell
from lymphoscope.inference.model import Model
from lymphoscope.inference.pipeline import default_workers, prefetch_map
from lymphoscope.model_file import Description
from lymphoscope.progress import tracked
from lymphoscope.robustness.saliency import (
    ATTENTION,
    CENTRE,
    GRAD_CAM,
    RANDOM,
    MapCurves,
    centre_heat,
    followed_curves,
    random_heat,
    score_saliency_maps,
)
from lymphoscope.robustness.sampling import sample_indices, sampling_note

if TYPE_CHECKING:
    from lymphoscope.robustness.saliency_model import SaliencyModel, Seen

CELLS = 64
STEPS = 16
DRAWS = 3
_AHEAD = 4


def measure_saliency(
    judges: Sequence[tuple[Model, Manifest]],
    *,
    cells: int | None = CELLS,
    steps: int = STEPS,
    draws: int = DRAWS,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Saliency:
    """Test the guiding attention map against Grad-CAM, a spot in the middle and `draws` random maps (docs/stress.md).

    `judges` are models and the cells that each is shown: one, or those of a cross-validation, of the same recipe.
    Followed is the softmax of the class that the raw stream called, as shares 1/`steps` of the pixels are painted with
    the model's test-time fill. Costs 2 (steps + 1) (3 + draws) raw passes a cell, on a draw of `cells`, None for all.
    Raises LymphoscopeError for a model without attention or not on torch, and where no cell can be read.
    """
    from lymphoscope.robustness.saliency_model import saliency_model_of

    _check(steps, draws)
    probes = [saliency_model_of(model) for model, _ in judges]
    description = judges[0][0].description
    shown = [(cell, probe) for (_, manifest), probe in zip(judges, probes, strict=True) for cell in cells_of(manifest)]
    every = [cell for cell, _ in shown]
    drawn = [shown[place] for place in sample_indices(every, cells, seed)]
    tested = list(_tested(description, drawn, steps, draws, seed))
    if not tested:
        raise LymphoscopeError(f"none of {len(drawn)} cells can be read: `lymphoscope data audit` says why")
    of_draw = sampling_note(len(drawn), len(every), len(drawn) - len(tested), seed)
    return score_saliency_maps(
        [each.cell.subject for each in tested],
        _kinds(tested, description.classes),
        description.classes,
        {name: _joined([each.curves[name] for each in tested]) for name in tested[0].curves},
        replicates=replicates,
        seed=seed,
        note="; ".join(filter(None, [_how(description, draws), of_draw])),
    )


@dataclass(frozen=True)
class _Tested:
    """A cell, the class that its raw stream called, and by map the deletion and insertion curves (2, T + 1)."""

    cell: Cell
    called: int
    curves: dict[str, Floats]


def _tested(
    description: Description, cells: "Sequence[tuple[Cell, SaliencyModel]]", steps: int, draws: int, seed: int
) -> Iterator[_Tested]:
    """Every cell that can be read, decoded once; one is in the works at a time."""
    read = partial(read_cell, fit=description.preprocessing.geometry())
    pictures = prefetch_map(read, [cell.path for cell, _ in cells], workers=default_workers(), ahead=_AHEAD)
    for number, picture in enumerate(tracked(pictures, "testing heat maps", len(cells))):
        if picture.pixels is not None:
            cell, probe = cells[number]
            seen = probe.look(picture.pixels)
            yield _Tested(cell, seen.called, _curves(probe, seen, steps, draws, (seed, number)))


def _curves(probe: "SaliencyModel", seen: "Seen", steps: int, draws: int, seed: tuple[int, int]) -> dict[str, Floats]:
    side = seen.attention.shape[0]
    ties, chance = np.random.SeedSequence(seed).spawn(2)
    generator = np.random.default_rng(chance)

    def both(heat: NDArray[np.float32]) -> Floats:
        return np.stack(followed_curves(partial(probe.follow, seen), heat, steps, ties))

    random = [probe.enlarged(random_heat(seen.coarse, generator), side) for _ in range(draws)]
    return {
        ATTENTION: both(seen.attention),
        GRAD_CAM: both(seen.grad_cam),
        CENTRE: both(centre_heat(side)),
        RANDOM: np.mean([both(heat) for heat in random], axis=0),
    }


def _joined(curves: Sequence[Floats]) -> MapCurves:
    deletion, insertion = np.stack(curves, axis=1)  # (N, T + 1) each
    return MapCurves(deletion, insertion)


def _kinds(tested: Sequence[_Tested], classes: tuple[str, ...]) -> Indices:
    """The class of each cell (N,): its label, or where any has none that the model knows what each was called."""
    labels = [each.cell.label for each in tested]
    if all(label in classes for label in labels):
        return np.array([classes.index(label or "") for label in labels])
    return np.array([each.called for each in tested])


def _how(description: Description, draws: int) -> str:
    fill = description.test_time.fill
    return f"softmax of the class that the raw stream called, pixels painted {fill}, {draws} random maps a cell"


def _check(steps: int, draws: int) -> None:
    if steps < 1 or draws < 1:
        raise LymphoscopeError(f"{steps} steps and {draws} random maps: at least one of each is needed")
