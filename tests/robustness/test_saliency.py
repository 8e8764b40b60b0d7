"""Deletion and insertion against a score whose reason is known, areas against NumPy, and the verdict's words."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lymphoscope.evaluation import Estimate
from lymphoscope.robustness.saliency import (
    MapCurves,
    areas,
    centre_heat,
    followed_curves,
    random_heat,
    ranked_masks,
    score_saliency_maps,
    verdict,
)

SIDE, STEPS = 16, 8
REGION = np.zeros((SIDE, SIDE), dtype=bool)
REGION[2:7, 3:9] = True
TRUE = REGION.astype(float)
CLASSES = ("all", "hem")
SUBJECTS = [f"S{place // 4}" for place in range(40)]
KINDS = np.arange(40) // 4 % 2


def follow(painted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A score that is the share of the region still to be seen, and rests on nothing else."""
    return np.asarray((REGION & ~painted).sum(axis=(1, 2)) / REGION.sum())


def both_areas(heat: NDArray[np.float64], seed: int = 0) -> tuple[float, float]:
    deletion, insertion = followed_curves(follow, heat, STEPS, seed)
    return float(areas(deletion)), float(areas(insertion))


def test_the_true_map_is_best_and_its_inverse_worst() -> None:
    generator = np.random.default_rng(0)
    best, worst = both_areas(TRUE), both_areas(-TRUE)
    others = [both_areas(generator.random((SIDE, SIDE))) for _ in range(50)]
    assert all(best[0] < deletion < worst[0] for deletion, _ in others)
    assert all(best[1] > insertion > worst[1] for _, insertion in others)


def test_curves_begin_and_end_where_they_must() -> None:
    deletion, insertion = followed_curves(follow, np.random.default_rng(0).random((SIDE, SIDE)), STEPS, 0)
    assert (deletion[0], deletion[-1], insertion[0], insertion[-1]) == (1, 0, 0, 1)
    # the score is a sum over pixels, so what is taken away is what is brought in
    np.testing.assert_allclose(deletion + insertion, 1)


def test_masks_grow_by_equal_shares_in_the_order_of_the_map() -> None:
    heat = np.random.default_rng(1).random((SIDE, SIDE))
    masks = ranked_masks(heat, STEPS, 0)
    assert masks.sum(axis=(1, 2)).tolist() == [32 * step for step in range(STEPS + 1)]
    assert all((late | ~early).all() for early, late in pairwise(masks))
    assert heat[masks[3]].min() > heat[~masks[3]].max()


def test_a_flat_map_is_a_random_one_and_not_a_sweep() -> None:
    flat = np.zeros((SIDE, SIDE))
    half = ranked_masks(flat, 2, 5)[1]
    assert 0.3 < half[: SIDE // 2].mean() < 0.7
    assert np.array_equal(half, ranked_masks(flat, 2, 5)[1])
    assert not np.array_equal(half, ranked_masks(flat, 2, 6)[1])


def test_the_area_is_numpys() -> None:
    curves = np.random.default_rng(0).random((5, 11))
    expected = [np.trapezoid(curve, np.linspace(0, 1, 11)) for curve in curves]
    np.testing.assert_allclose(areas(curves), expected)
    assert areas(np.ones(4)) == 1


def test_random_maps_are_smooth_and_differ() -> None:
    generator = np.random.default_rng(0)
    maps = np.stack([random_heat((12, 12), generator) for _ in range(200)])
    neighbours = np.corrcoef(maps[:, 5, 5], maps[:, 5, 6])[0, 1]
    apart = np.corrcoef(maps[:, 0, 0], maps[:, 11, 11])[0, 1]
    assert maps.shape == (200, 12, 12)
    assert neighbours > 0.6
    assert abs(apart) < 0.25


def test_the_spot_is_highest_in_the_middle_and_falls_away() -> None:
    spot = centre_heat(8)
    assert spot[3:5, 3:5].min() == spot.max()
    assert np.array_equal(spot, spot.T)
    assert spot[0, 0] == spot.min()


def curves(level: float, spread: float = 0.05, seed: int = 0) -> MapCurves:
    """Curves of 40 cells whose deletion is around `level` and whose insertion around 1 - `level`."""
    noise = np.random.default_rng(seed).normal(0, spread, (40, 1))
    deletion = np.clip(np.full((40, STEPS + 1), level) + noise, 0, 1)
    return MapCurves(deletion, 1 - deletion)


def judged(**levels: float) -> Any:
    made = {name: curves(level, seed=place) for place, (name, level) in enumerate(levels.items())}
    return score_saliency_maps(SUBJECTS, KINDS, CLASSES, made, replicates=300)


def test_areas_and_differences_are_means_over_the_cells() -> None:
    found = judged(attention=0.4, grad_cam=0.3, random=0.6)
    expected = {name: areas(curves(level, seed=place).deletion).mean() for name, place, level in
                (("attention", 0, 0.4), ("grad_cam", 1, 0.3), ("random", 2, 0.6))}  # fmt: skip
    assert {each.name: each.deletion.value for each in found.maps} == pytest.approx(expected)
    difference = found.attention_minus_random_deletion
    assert difference.value == pytest.approx(expected["attention"] - expected["random"])
    assert difference.low < difference.value < difference.high < 0
    assert (found.cells, found.steps) == (40, STEPS)
    assert len(found.maps[0].deletion_curve) == STEPS + 1


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ({"attention": 0.4, "grad_cam": 0.3, "random": 0.6}, ["is better than random maps, by deletion and by"]),
        ({"attention": 0.4, "grad_cam": 0.3, "random": 0.6}, ["worse than Grad-CAM, by either"]),
        (
            {"attention": 0.4, "centre": 0.5, "random": 0.6},
            ["better than a spot in the middle of every picture, by either"],
        ),
        ({"attention": 0.6, "random": 0.6}, ["no better than random maps", "Do not read it as an explanation"]),
        ({"attention": 0.7, "random": 0.6}, ["worse than random maps", "Do not read it as an explanation"]),
    ],
)
def test_the_verdict_says_what_was_found(levels: dict[str, float], words: list[str]) -> None:
    said = judged(**levels).verdict
    assert all(word in said for word in words), said


def difference(low: float | None, high: float | None, reason: str | None = None) -> Estimate:
    return Estimate(value=0.0, low=low, high=high, reason=reason)


def test_the_verdict_of_a_split_finding_is_careful() -> None:
    better, same, worse = difference(-0.2, -0.1), difference(-0.1, 0.1), difference(-0.2, -0.1)
    said = verdict(
        {"random": {"deletion": better, "insertion": same}, "grad_cam": {"deletion": better, "insertion": same}}
    )
    assert "better than random maps by deletion, and no better by insertion" in said
    assert "Beside Grad-CAM it is better by deletion and not told apart from it by insertion." in said
    assert "and worse by insertion" in verdict({"random": {"deletion": better, "insertion": worse}})
    assert "no better than random maps, and worse by insertion" in verdict(
        {"random": {"deletion": same, "insertion": worse}}
    )


def test_without_an_interval_nothing_is_claimed() -> None:
    unknown = difference(None, None, "only one subject of class hem")
    said = verdict(dict.fromkeys(["random", "grad_cam"], dict.fromkeys(["deletion", "insertion"], unknown)))
    assert "cannot be said: only one subject of class hem" in said
    assert "Grad-CAM" not in said
