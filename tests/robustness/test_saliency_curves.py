"""Deletion and insertion for a score that depends on a known region, and areas against NumPy."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lymphoscope.robustness.saliency_curves import (
    areas,
    centre_map,
    deletion_insertion,
    random_map,
    ranked_masks,
)

SIDE, STEPS = 16, 8
REGION = np.zeros((SIDE, SIDE), dtype=bool)
REGION[2:7, 3:9] = True
TRUE = REGION.astype(float)


def visible_fraction(masked: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A score that is the visible fraction of the region, and depends on nothing else."""
    return np.asarray((REGION & ~masked).sum(axis=(1, 2)) / REGION.sum())


def both_areas(saliency_map: NDArray[np.float64], seed: int = 0) -> tuple[float, float]:
    deletion, insertion = deletion_insertion(visible_fraction, saliency_map, STEPS, seed)
    return float(areas(deletion)), float(areas(insertion))


def test_true_map_is_best_and_its_inverse_worst() -> None:
    generator = np.random.default_rng(0)
    best, worst = both_areas(TRUE), both_areas(-TRUE)
    others = [both_areas(generator.random((SIDE, SIDE))) for _ in range(50)]
    assert all(best[0] < deletion < worst[0] for deletion, _ in others)
    assert all(best[1] > insertion > worst[1] for _, insertion in others)


def test_curves_start_and_end_with_all_or_no_pixels() -> None:
    deletion, insertion = deletion_insertion(visible_fraction, np.random.default_rng(0).random((SIDE, SIDE)), STEPS, 0)
    assert (deletion[0], deletion[-1], insertion[0], insertion[-1]) == (1, 0, 0, 1)
    # The score is a sum over pixels, so what is deleted is what is inserted.
    np.testing.assert_allclose(deletion + insertion, 1)


def test_masks_grow_by_equal_shares_in_the_order_of_the_map() -> None:
    saliency_map = np.random.default_rng(1).random((SIDE, SIDE))
    masks = ranked_masks(saliency_map, STEPS, 0)
    assert masks.sum(axis=(1, 2)).tolist() == [32 * step for step in range(STEPS + 1)]
    assert all((late | ~early).all() for early, late in pairwise(masks))
    assert saliency_map[masks[3]].min() > saliency_map[~masks[3]].max()


def test_constant_map_is_a_random_one() -> None:
    flat = np.zeros((SIDE, SIDE))
    half = ranked_masks(flat, 2, 5)[1]
    assert 0.3 < half[: SIDE // 2].mean() < 0.7
    assert np.array_equal(half, ranked_masks(flat, 2, 5)[1])
    assert not np.array_equal(half, ranked_masks(flat, 2, 6)[1])


def test_area_equals_numpys() -> None:
    curves = np.random.default_rng(0).random((5, 11))
    expected = [np.trapezoid(curve, np.linspace(0, 1, 11)) for curve in curves]
    np.testing.assert_allclose(areas(curves), expected)
    assert areas(np.ones(4)) == 1


def test_random_maps_are_smooth_and_differ() -> None:
    generator = np.random.default_rng(0)
    maps = np.stack([random_map((12, 12), generator) for _ in range(200)])
    neighbours = np.corrcoef(maps[:, 5, 5], maps[:, 5, 6])[0, 1]
    apart = np.corrcoef(maps[:, 0, 0], maps[:, 11, 11])[0, 1]
    assert maps.shape == (200, 12, 12)
    assert neighbours > 0.6
    assert abs(apart) < 0.25


def test_centre_map_is_highest_at_the_centre_and_falls_off() -> None:
    spot = centre_map(8)
    assert spot[3:5, 3:5].min() == spot.max()
    assert np.array_equal(spot, spot.T)
    assert spot[0, 0] == spot.min()
