"""Whether the attention maps of a model show what its scores depend on: deletion and insertion tests."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import (
    REPLICATES,
    Estimate,
    Floats,
    Indices,
    MapScore,
    MetricGroup,
    MetricSpec,
    Outcomes,
    Saliency,
    Weights,
    draw_bootstrap_samples,
)
from lymphoscope.inference import Cell, Model, cells_of, default_workers, load_cell, prefetch_map
from lymphoscope.model_file import Description
from lymphoscope.progress import tracked
from lymphoscope.robustness.saliency_curves import (
    ATTENTION,
    CENTRE,
    GRAD_CAM,
    RANDOM,
    MapCurves,
    areas,
    centre_map,
    deletion_insertion,
    random_map,
)
from lymphoscope.robustness.sampling import sample_indices, sampling_note
from lymphoscope.terminal import counted

if TYPE_CHECKING:
    from lymphoscope.robustness.saliency_model import CellSaliency, SaliencyModel

MAX_CELLS: Final = 64
STEPS: Final = 16
RANDOM_MAPS: Final = 3
_PREFETCH: Final = 4

Test = Literal["deletion", "insertion"]
_TESTS: Final[tuple[Test, Test]] = ("deletion", "insertion")
_REFERENCES: Final = {GRAD_CAM: "Grad-CAM", CENTRE: "the centre of the image"}
_CAUTION: Final = "Do not read it as an explanation of the prediction."


@dataclass(frozen=True)
class _CellCurves:
    """A cell, the index of its predicted class, and its deletion and insertion curves (2, T + 1) by map."""

    cell: Cell
    predicted: int
    curves: dict[str, Floats]


def measure_saliency(
    evaluations: Sequence[tuple[Model, Manifest]],
    *,
    max_cells: int | None = MAX_CELLS,
    steps: int = STEPS,
    random_maps: int = RANDOM_MAPS,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Saliency:
    """Test the guiding attention map against Grad-CAM, the centre of the image and random maps (docs/robustness.md).

    `evaluations` are models of the same recipe with the cells that each predicts: one, or those of a cross-validation.
    The score is the softmax of the class that the raw stream predicts; masked pixels get the model's test-time fill.
    Costs 2 (steps + 1) (3 + random_maps) raw passes per cell, on a sample of `max_cells` (None: all).
    Raises LymphoscopeError for a model without attention or not on torch, and if no cell can be read.
    """
    from lymphoscope.robustness.saliency_model import saliency_model_of

    _check(steps, random_maps)
    models = [saliency_model_of(model) for model, _ in evaluations]
    description = evaluations[0][0].description
    assigned = [
        (cell, model) for (_, manifest), model in zip(evaluations, models, strict=True) for cell in cells_of(manifest)
    ]
    cells = [cell for cell, _ in assigned]
    sampled = [assigned[index] for index in sample_indices(cells, max_cells, seed)]
    tested = list(_test_cells(description, sampled, steps, random_maps, seed))
    if not tested:
        raise LymphoscopeError(
            f"none of {counted(len(sampled), 'cell')} is readable: `lymphoscope data audit` says why"
        )
    notes = (
        f"softmax of the class predicted by the raw stream, masked pixels filled with {description.test_time.fill}, "
        f"{random_maps} random maps per cell",
        sampling_note(len(sampled), len(cells), len(sampled) - len(tested), seed),
    )
    return score_saliency_maps(
        [each.cell.subject for each in tested],
        _class_indices(tested, description.classes),
        description.classes,
        {name: _stacked([each.curves[name] for each in tested]) for name in tested[0].curves},
        replicates=replicates,
        seed=seed,
        note="; ".join(filter(None, notes)),
    )


def score_saliency_maps(
    subjects: Sequence[str | None],
    class_indices: Indices,
    classes: tuple[str, ...],
    curves: Mapping[str, MapCurves],
    *,
    replicates: int,
    seed: int = 0,
    note: str | None = None,
) -> Saliency:
    """Compare maps by their curves on N cells of `subjects` (N,); the classes (N,) stratify the bootstrap.

    `curves` holds ATTENTION, RANDOM (the mean over its maps) and any others, in the order of the table. Differences are
    taken cell by cell, so that what makes a cell hard for every map cancels.
    """
    cell_areas = {
        name: {"deletion": areas(each.deletion), "insertion": areas(each.insertion)} for name, each in curves.items()
    }
    groups = {name: mean_group(values) for name, values in cell_areas.items()}
    for other in set(cell_areas) - {ATTENTION}:
        difference: dict[str, Floats] = {test: cell_areas[ATTENTION][test] - cell_areas[other][test] for test in _TESTS}
        groups[f"minus {other}"] = mean_group(difference, difference=True)
    outcomes = Outcomes(class_indices, class_indices, np.eye(len(classes))[class_indices], classes, None)
    samples = draw_bootstrap_samples(
        pd.DataFrame({"subject": list(subjects)}), outcomes, replicates=replicates, seed=seed
    )
    estimates = samples.estimate(groups)
    return Saliency(
        cells=len(class_indices),
        steps=curves[ATTENTION].deletion.shape[1] - 1,
        maps=[_map_score(name, each, estimates[name]) for name, each in curves.items()],
        attention_minus_random_deletion=estimates[f"minus {RANDOM}"]["deletion"],
        attention_minus_random_insertion=estimates[f"minus {RANDOM}"]["insertion"],
        verdict=verdict({other: estimates[f"minus {other}"] for other in curves if other != ATTENTION}),
        note=note,
    )


def verdict(differences: Mapping[str, Mapping[str, Estimate]]) -> str:
    """Whether the attention map is better than the others, in words.

    `differences` holds, for each other map, the area of the attention map minus that of the other by deletion and by
    insertion.
    """
    references = [_compare(name, found) for name, found in differences.items() if name in _REFERENCES]
    return " ".join(filter(None, [_compare_with_random(differences[RANDOM]), *references]))


def _compare_with_random(differences: Mapping[str, Estimate]) -> str:
    if reason := next((each.reason for each in differences.values() if each.high is None), None):
        return f"Whether the attention map is better than random maps cannot be said: {reason}. {_CAUTION}"
    by_test = {test: _side(test, differences[test]) for test in _TESTS}
    sides = set(by_test.values())
    if sides == {"better"}:
        return (
            "The attention map is better than random maps, by deletion and by insertion: the score depends on the "
            "regions that it marks."
        )
    if sides == {"worse"}:
        return f"The attention map is worse than random maps, by deletion and by insertion. {_CAUTION}"
    if "better" not in sides:
        worse = next((f", and worse by {test}" for test, side in by_test.items() if side == "worse"), "")
        return f"The attention map is not better than random maps{worse or ', by deletion or by insertion'}. {_CAUTION}"
    better, other = _TESTS if by_test["deletion"] == "better" else _TESTS[::-1]
    how = "worse" if by_test[other] == "worse" else "not better"
    return f"The attention map is better than random maps by {better}, but {how} by {other}: it is a hint at most."


def _compare(name: str, differences: Mapping[str, Estimate]) -> str:
    if any(each.high is None for each in differences.values()):
        return ""
    phrases = {"same": "not distinguishable from", "better": "better than", "worse": "worse than"}
    by_test = {test: phrases[_side(test, differences[test])] for test in _TESTS}
    if len(set(by_test.values())) == 1:
        return f"It is {by_test['deletion']} {_REFERENCES[name]} by both."
    parts = " and ".join(f"{text} {_REFERENCES[name]} by {test}" for test, text in by_test.items())
    return f"It is {parts}."


def _side(test: Test, difference: Estimate) -> Literal["better", "worse", "same"]:
    """How attention compares: a good map has a small deletion area and a large insertion area."""
    if difference.low is None or difference.high is None or difference.low <= 0 <= difference.high:
        return "same"
    return "better" if (difference.low > 0) == (test == "insertion") else "worse"


def mean_group(values: Mapping[str, Floats], *, difference: bool = False) -> MetricGroup:
    """The weighted mean over the cells of each of `values` (N,)."""

    def compute(weights: Weights) -> dict[str, Floats]:
        return {name: weights.mean(each[:, None])[:, 0] for name, each in values.items()}

    every = np.ones(len(next(iter(values.values()))), dtype=bool)
    spec = MetricSpec(every, "difference" if difference else "bounded")
    return MetricGroup(compute, dict.fromkeys(values, spec))


def _map_score(name: str, curves: MapCurves, estimates: Mapping[str, Estimate]) -> MapScore:
    return MapScore(
        name=name,
        deletion=estimates["deletion"],
        insertion=estimates["insertion"],
        deletion_curve=curves.deletion.mean(axis=0).tolist(),
        insertion_curve=curves.insertion.mean(axis=0).tolist(),
    )


def _test_cells(
    description: Description, cells: "Sequence[tuple[Cell, SaliencyModel]]", steps: int, random_maps: int, seed: int
) -> Iterator[_CellCurves]:
    """The curves of every cell that can be read; each is decoded once."""
    read = partial(load_cell, preparation=description.preprocessing.preparation())
    with prefetch_map(read, [cell for cell, _ in cells], workers=default_workers(), buffer_size=_PREFETCH) as images:
        for number, image in enumerate(tracked(images, "testing saliency maps", len(cells))):
            if image.pixels is not None:
                cell, model = cells[number]
                saliency = model.saliency_of(image.pixels)
                curves = _curves(model, saliency, steps, random_maps, (seed, number))
                yield _CellCurves(cell, saliency.predicted, curves)


def _curves(
    model: "SaliencyModel", saliency: "CellSaliency", steps: int, random_maps: int, seed: tuple[int, int]
) -> dict[str, Floats]:
    side = saliency.attention.shape[0]
    tie_seed, map_seed = np.random.SeedSequence(seed).spawn(2)
    generator = np.random.default_rng(map_seed)

    def both(saliency_map: NDArray[np.float32]) -> Floats:
        return np.stack(deletion_insertion(partial(model.score_masked, saliency), saliency_map, steps, tie_seed))

    randoms = [model.enlarge(random_map(saliency.coarse_shape, generator), side) for _ in range(random_maps)]
    return {
        ATTENTION: both(saliency.attention),
        GRAD_CAM: both(saliency.grad_cam),
        CENTRE: both(centre_map(side)),
        RANDOM: np.mean([both(each) for each in randoms], axis=0),
    }


def _stacked(curves: Sequence[Floats]) -> MapCurves:
    deletion, insertion = np.stack(curves, axis=1)  # (N, T + 1) each
    return MapCurves(deletion, insertion)


def _class_indices(tested: Sequence[_CellCurves], classes: tuple[str, ...]) -> Indices:
    """The class of each cell (N,): its label, or, if any cell has no known label, its prediction."""
    labels = [each.cell.label for each in tested]
    if all(label in classes for label in labels):
        return np.array([classes.index(label or "") for label in labels])
    return np.array([each.predicted for each in tested])


def _check(steps: int, random_maps: int) -> None:
    if steps < 1 or random_maps < 1:
        raise LymphoscopeError(f"{steps} steps and {random_maps} random maps: at least one of each is needed")
