"""Whole groups dealt into parts so that every class keeps its share of cells and of subjects in each part."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Parts = NDArray[np.int64]

MOST_CANDIDATES = 20_000
"""Deals that are tried; fewer where there are many groups, because then any of them is near the shares."""
_MOST_CELLS_OF_A_TABLE = 2_000_000
_MISSING_CLASS = 100.0
_LARGEST_FAIR_SHARE = 0.3
# Fewer cells than this of a class tell little, from however many subjects: N of them cost so much * (1/N - 1/FEW).
_FEW = 20
_COST_OF_FEW = 0.6


class Part(NamedTuple):
    """What a part should hold: its share (0-1) of every class, and the weight against one group that is most of it."""

    share: float
    against_largest: float


def balanced_parts(counts: Counts, parts: list[Part], generator: np.random.Generator) -> Parts:
    """The part of every group, (G,) int in 0..P-1, for counts (G, K) of cells by class; the P shares sum to 1.

    The best of many stratified deals by, for each class in each part: the distance of its share of cells, and of
    groups, from the part's share; how far one group holds more than its fair share of the cells; and having few
    cells at all. Deterministic under the generator.
    """
    tries = int(np.clip(_MOST_CELLS_OF_A_TABLE // max(len(counts), 1), 4, MOST_CANDIDATES))
    strata = _rarest_class(counts)
    best, lowest = np.zeros(len(counts), dtype=np.int64), np.inf
    # Without strata too: where subjects hold several classes each, the strata are small and arbitrary.
    for dealt_by in (strata, np.zeros_like(strata)):
        deals = _deals(dealt_by, np.array([part.share for part in parts]), tries // 2, generator)
        costs = _costs(deals, counts, parts)
        if costs.min() < lowest:
            lowest, best = costs.min(), deals[costs.argmin()]
    return best


def _rarest_class(counts: Counts) -> NDArray[np.int64]:
    """(G,): the class of which a group holds the largest part."""
    rarest: NDArray[np.int64] = (counts / np.maximum(counts.sum(axis=0), 1)).argmax(axis=1)
    return rarest


def _deals(strata: NDArray[np.int64], shares: NDArray[np.float64], tries: int, generator: Any) -> Parts:
    """(T, G) parts: each stratum shuffled, then cut at the shares from a random start (systematic sampling)."""
    deals = np.zeros((tries, len(strata)), dtype=np.int64)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        ranks = generator.permuted(np.tile(np.arange(len(members)), (tries, 1)), axis=1)
        places = (ranks + generator.random((tries, 1))) / len(members)
        edges = np.cumsum(_at_least_one(shares, len(members)))[:-1]
        deals[:, members] = np.searchsorted(edges, places, side="right")
    return deals


def _at_least_one(shares: NDArray[np.float64], members: int) -> NDArray[np.float64]:
    """Shares raised so that each part gets a member where there are enough of them."""
    if members < len(shares):
        return shares
    raised = np.maximum(shares, 1 / members)
    above = raised - 1 / members
    lowered: NDArray[np.float64] = raised - (raised.sum() - 1) * above / max(above.sum(), 1e-12)
    return lowered


def _costs(deals: Parts, counts: Counts, parts: list[Part]) -> NDArray[np.float64]:
    """(T,): how far each deal is from what the parts should hold."""
    costs = np.zeros(len(deals))
    for place, part in enumerate(parts):
        chosen = deals == place  # (T, G)
        for held in counts.T:  # (G,)
            costs += _cost(chosen, held, part)
    return costs


def _cost(chosen: NDArray[np.bool_], held: NDArray[np.int64], part: Part) -> NDArray[np.float64]:
    holds = (held > 0).astype(np.int64)
    cells = chosen @ held
    largest = (chosen * held).max(axis=1) / np.maximum(cells, 1)
    off = (cells / held.sum() - part.share) ** 2 + (chosen @ holds / holds.sum() - part.share) ** 2
    too_large = np.maximum(largest - _LARGEST_FAIR_SHARE, 0) ** 2
    few = _COST_OF_FEW * np.maximum(1 / np.maximum(cells, 1) - 1 / _FEW, 0)
    missing = _MISSING_CLASS * (cells == 0)
    cost: NDArray[np.float64] = off + part.against_largest * too_large + few + missing
    return cost
