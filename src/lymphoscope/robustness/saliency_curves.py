"""Deletion and insertion curves of saliency maps (Petsiuk, Das, Saenko: RISE, BMVC 2018).

The pixels that a map ranks first are masked step by step (deletion), or are the first to appear in an empty image
(insertion), while the score of the predicted class is recorded. If a map shows what the score depends on, its deletion
curve falls fast and its insertion curve rises fast; the area under each curve sums it up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lymphoscope.evaluation import Floats, Mask

ScoreMasked = Callable[[Mask], Floats]
"""Masks (V, H, W), True where masked -> the score (V,) of the predicted class."""

Seed = int | np.random.SeedSequence

ATTENTION: Final = "attention"
GRAD_CAM: Final = "grad_cam"
CENTRE: Final = "centre"
RANDOM: Final = "random"

MAP_TITLES: Final = {
    ATTENTION: "Attention map",
    GRAD_CAM: "Grad-CAM",
    CENTRE: "Centre of the image",
    RANDOM: "Random maps",
}
"""The title of each map, in the order of tables."""


@dataclass(frozen=True)
class MapCurves:
    """The scores of N cells as a fraction 0, 1/T ... 1 of the pixels is deleted or inserted, (N, T + 1) each."""

    deletion: Floats
    insertion: Floats


def deletion_insertion(
    score: ScoreMasked, saliency_map: NDArray[np.floating], steps: int, seed: Seed
) -> tuple[Floats, Floats]:
    """Deletion and insertion curves (T + 1,) of one cell by one map (H, W), highest where most important.

    Ties are broken at random (`seed`), so that a constant map is a random one and not a sweep from the top.
    """
    masks = ranked_masks(saliency_map, steps, seed)
    scores = score(np.concatenate([masks, ~masks]))
    return scores[: steps + 1], scores[steps + 1 :]


def ranked_masks(saliency_map: NDArray[np.floating], steps: int, seed: Seed) -> Mask:
    """(T + 1, H, W): the first 0, 1/T ... 1 of the pixels by rank, rounded to whole pixels."""
    chance = np.random.default_rng(seed).random(saliency_map.size)
    rank = np.empty(saliency_map.size, dtype=np.int64)
    rank[np.lexsort((chance, -saliency_map.ravel()))] = np.arange(saliency_map.size)
    counts = np.rint(np.linspace(0, saliency_map.size, steps + 1))
    return np.asarray(rank.reshape(saliency_map.shape) < counts[:, None, None])


def areas(curves: Floats) -> Floats:
    """Area under curves (..., T + 1) over the fractions 0 to 1, by the trapezoidal rule."""
    return np.asarray(np.trapezoid(curves, dx=1 / (curves.shape[-1] - 1), axis=-1))


def random_map(shape: tuple[int, int], generator: np.random.Generator) -> NDArray[np.float32]:
    """A random map as coarse as an attention map (h, w): white noise smoothed by a Gaussian of one of its pixels."""
    noise = generator.standard_normal(shape, dtype=np.float32)
    return np.asarray(ndimage.gaussian_filter(noise, 1.0, mode="reflect"))


def centre_map(side: int) -> NDArray[np.float32]:
    """The same map (S, S) for every cell, highest at the centre: what a map achieves that knows nothing of the cell."""
    offsets = (np.arange(side, dtype=np.float32) + 0.5) / side - 0.5
    return np.asarray(-np.hypot(offsets[:, None], offsets[None, :]))
