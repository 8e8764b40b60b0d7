"""Whether a heat map shows what a score rests on: deletion and insertion (Petsiuk, Das, Saenko: RISE, BMVC 2018).

The pixels that a map ranks first are painted over step by step (deletion), or are the first to appear on an empty
picture (insertion), while the score of the class that was called is followed. The area under either line sums it up.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from lymphoscope.evaluation import (
    Estimate,
    Floats,
    Indices,
    MapScore,
    MetricGroup,
    MetricSpec,
    Outcomes,
    Saliency,
    draw_bootstrap_samples,
    ratio,
)

Masks = NDArray[np.bool_]
Followed = Callable[[Masks], Floats]
"""Masks (V, H, W), True where painted over -> the score (V,) that is followed."""

Seed = int | np.random.SeedSequence

ATTENTION: Final = "attention"
GRAD_CAM: Final = "grad_cam"
CENTRE: Final = "centre"
RANDOM: Final = "random"


@dataclass(frozen=True)
class MapCurves:
    """The scores of N cells as shares 0, 1/T ... 1 of the pixels are taken away or brought in, (N, T + 1) each."""

    deletion: Floats
    insertion: Floats


def followed_curves(follow: Followed, heat: NDArray[np.floating], steps: int, seed: Seed) -> tuple[Floats, Floats]:
    """Deletion and insertion curves (T + 1,) of one cell by one map (H, W), most important where highest.

    Equal pixels come in an order of chance (`seed`), so that a flat map is a random one, not a sweep from the top.
    """
    masks = ranked_masks(heat, steps, seed)
    scores = follow(np.concatenate([masks, ~masks]))
    return scores[: steps + 1], scores[steps + 1 :]


def ranked_masks(heat: NDArray[np.floating], steps: int, seed: Seed) -> Masks:
    """(T + 1, H, W): the first 0, 1/T ... 1 of the pixels by rank, rounded to whole pixels."""
    chance = np.random.default_rng(seed).random(heat.size)
    rank = np.empty(heat.size, dtype=np.int64)
    rank[np.lexsort((chance, -heat.ravel()))] = np.arange(heat.size)
    counts = np.rint(np.linspace(0, heat.size, steps + 1))
    return np.asarray(rank.reshape(heat.shape) < counts[:, None, None])


def areas(curves: Floats) -> Floats:
    """Area under curves (..., T + 1) over the shares 0 to 1, by trapezoids."""
    return np.asarray(np.trapezoid(curves, dx=1 / (curves.shape[-1] - 1), axis=-1))


def random_heat(shape: tuple[int, int], generator: np.random.Generator) -> NDArray[np.float32]:
    """A random map as coarse as a real one (h, w): white noise, smoothed by a Gaussian of one of its own pixels."""
    noise = generator.standard_normal(shape, dtype=np.float32)
    return np.asarray(ndimage.gaussian_filter(noise, 1.0, mode="reflect"))


def centre_heat(side: int) -> NDArray[np.float32]:
    """The same map (S, S) for every cell, falling away from the middle: what knowing nothing of the cell achieves."""
    places = (np.arange(side, dtype=np.float32) + 0.5) / side - 0.5
    return np.asarray(-np.hypot(places[:, None], places[None, :]))


def score_saliency_maps(
    subjects: Sequence[str | None],
    kinds: Indices,
    classes: tuple[str, ...],
    curves: Mapping[str, MapCurves],
    *,
    replicates: int,
    seed: int = 0,
    note: str | None = None,
) -> Saliency:
    """Compare maps by their curves on N cells of `subjects` (N,), whose classes `kinds` (N,) stratify the draws.

    `curves` holds ATTENTION, RANDOM (the mean of its draws) and any others, in the order of the table. Differences
    are cell by cell, so what makes a cell hard for every map cancels.
    """
    every = {
        name: {"deletion": areas(each.deletion), "insertion": areas(each.insertion)} for name, each in curves.items()
    }
    questions = {name: _mean_question(values) for name, values in every.items()}
    for other in set(every) - {ATTENTION}:
        less = {kind: every[ATTENTION][kind] - every[other][kind] for kind in ("deletion", "insertion")}
        questions[f"less {other}"] = _mean_question(less, difference=True)
    outcomes = Outcomes(kinds, kinds, np.eye(len(classes))[kinds], classes, None)
    samples = draw_bootstrap_samples(
        pd.DataFrame({"subject": list(subjects)}), outcomes, replicates=replicates, seed=seed
    )
    answers = samples.estimate(questions)
    random = answers[f"less {RANDOM}"]
    return Saliency(
        cells=len(kinds),
        steps=curves[ATTENTION].deletion.shape[1] - 1,
        maps=[_map_score(name, each, answers[name]) for name, each in curves.items()],
        attention_minus_random_deletion=random["deletion"],
        attention_minus_random_insertion=random["insertion"],
        verdict=verdict({other: answers[f"less {other}"] for other in curves if other != ATTENTION}),
        note=note,
    )


def verdict(differences: Mapping[str, Mapping[str, Estimate]]) -> str:
    """What the differences (attention less each other map, by deletion and by insertion) come to, in plain words."""
    beside = " ".join(_beside(name, found) for name, found in differences.items() if name in _OTHERS)
    return f"{_against_random(differences[RANDOM])} {beside}".strip()


_OTHERS: Final = {
    GRAD_CAM: "Grad-CAM",
    CENTRE: "a spot in the middle of every picture",
}
_CAUTION: Final = "Do not read it as an explanation of the answer."


def _against_random(found: Mapping[str, Estimate]) -> str:
    if missing := next((answer.reason for answer in found.values() if answer.high is None), None):
        return f"Whether the attention map is better than random maps cannot be said: {missing}. {_CAUTION}"
    sides = _sides(found)
    if sides == {"better"}:
        return "The attention map is better than random maps, by deletion and by insertion: the score rests on it."
    if sides == {"worse"}:
        return f"The attention map is worse than random maps, by deletion and by insertion. {_CAUTION}"
    if "better" not in sides:
        return f"The attention map is no better than random maps{_named(found, 'worse')}. {_CAUTION}"
    good, other = ("deletion", "insertion") if _side("deletion", found) == "better" else ("insertion", "deletion")
    how = "worse" if "worse" in sides else "no better"
    return f"The attention map is better than random maps by {good}, and {how} by {other}: take it for a hint at most."


def _beside(name: str, found: Mapping[str, Estimate]) -> str:
    if any(answer.high is None for answer in found.values()):
        return ""
    said = {kind: _side(kind, found) for kind in ("deletion", "insertion")}
    if len(set(said.values())) == 1:
        how = {"same": "not told apart from", "better": "better than", "worse": "worse than"}[said["deletion"]]
        return f"It is {how} {_OTHERS[name]}, by either."
    words = {"same": "not told apart from it", "better": "better", "worse": "worse"}
    by = " and ".join(f"{words[side]} by {kind}" for kind, side in said.items())
    return f"Beside {_OTHERS[name]} it is {by}."


def _named(found: Mapping[str, Estimate], side: str) -> str:
    kinds = [kind for kind in ("deletion", "insertion") if _side(kind, found) == side]
    return f", and {side} by {kinds[0]}" if kinds else ", by deletion or by insertion"


def _sides(found: Mapping[str, Estimate]) -> set[str]:
    return {_side(kind, found) for kind in ("deletion", "insertion")}


def _side(kind: str, found: Mapping[str, Estimate]) -> str:
    """Whether attention is better, worse or the same; a good map has a small deletion area, a large insertion area."""
    interval = found[kind]
    if interval.low is None or interval.high is None or interval.low <= 0 <= interval.high:
        return "same"
    return "better" if (interval.low > 0) == (kind == "insertion") else "worse"


def _mean_question(values: Mapping[str, Floats], *, difference: bool = False) -> MetricGroup:
    """The weighted mean over the cells of each of `values` (N,)."""

    def compute(weights: Floats) -> dict[str, Floats]:
        return {kind: ratio(weights @ each, weights.sum(axis=1)) for kind, each in values.items()}

    cells = np.ones(len(next(iter(values.values()))), dtype=bool)
    quantity = MetricSpec(cells, "difference" if difference else "bounded")
    return MetricGroup(compute, dict.fromkeys(values, quantity))


def _map_score(name: str, curves: MapCurves, answers: Mapping[str, Estimate]) -> MapScore:
    return MapScore(
        name=name,
        deletion=answers["deletion"],
        insertion=answers["insertion"],
        deletion_curve=curves.deletion.mean(axis=0).tolist(),
        insertion_curve=curves.insertion.mean(axis=0).tolist(),
    )
