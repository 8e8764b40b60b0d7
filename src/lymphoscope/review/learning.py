"""Which cells to label next: uncertainty, diversity and a random share.

Uncertain cells alone resemble each other. So the next cell is the one with the highest product of its entropy and its
distance to the cells already chosen, in the space of the network's features (of the scores where there are none).
Every fifth is random, so that the choice does not miss what the model is wrongly sure of.
(Settles 2009, Active Learning Literature Survey, sections 3.1 and 4.2.)
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

RANDOM_EVERY: Final = 5
GREEDY: Final = 500
"""So many cells are chosen one by one; the others follow by entropy."""


def learning_order(
    scores: Sequence[Mapping[str, float]], features: NDArray[np.float32] | None = None, *, seed: str
) -> list[int]:
    """Return the rank (N,) of each cell, 0 the first to label, from its scores by class; {} where there are none.

    Cells without scores are undecided: they have the highest entropy. `features` (N, D) of unit length, NaN where a
    cell has none, say how much cells differ.
    """
    if not scores:
        return []
    vectors = _vectors(scores)
    entropy = _entropy(vectors)
    places = vectors if features is None else np.nan_to_num(features)  # those without are like each other
    order = _greedy(places, entropy, random.Random(seed))  # noqa: S311 - a sample, not a secret
    ranks = np.empty(len(scores), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    return [int(rank) for rank in ranks]


def _vectors(scores: Sequence[Mapping[str, float]]) -> NDArray[np.float64]:
    """(N, K) scores; equal ones where there are none."""
    classes = list(dict.fromkeys(name for one in scores for name in one)) or [""]
    even = 1 / len(classes)
    return np.array([[one.get(name, 0.0 if one else even) for name in classes] for one in scores])


def _entropy(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) entropy in 0-1, of the scores divided by their sum."""
    shares = np.clip(vectors / np.maximum(vectors.sum(axis=1, keepdims=True), 1e-12), 1e-12, 1)
    entropy: NDArray[np.float64] = -(shares * np.log(shares)).sum(axis=1) / np.log(max(2, vectors.shape[1]))
    return entropy


def _greedy(vectors: NDArray[np.floating], entropy: NDArray[np.float64], generator: Any) -> NDArray[np.int64]:
    total = len(vectors)
    free = np.ones(total, dtype=bool)
    distance = np.full(total, 2.0)  # the largest one of vectors of unit length
    chosen: list[int] = []
    for place in range(min(GREEDY, total)):
        if place % RANDOM_EVERY == RANDOM_EVERY - 1:
            index = int(generator.choice(np.flatnonzero(free).tolist()))
        else:
            index = int(np.argmax(np.where(free, (entropy + 1e-6) * distance, -1.0)))
        chosen.append(index)
        free[index] = False
        distance = np.minimum(distance, np.linalg.norm(vectors - vectors[index], axis=1))
    rest = np.flatnonzero(free)
    return np.concatenate([np.array(chosen, dtype=np.int64), rest[np.argsort(-entropy[rest], kind="stable")]])
