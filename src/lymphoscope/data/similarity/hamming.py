"""Pairs of 256-bit hashes that differ in few bits, among all pairs and all orientations."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
"""(N, 4) hashes of 256 bits, or (N, 8, 4) in eight orientations."""

_ROWS_PER_BLOCK = 64
_COLUMNS_PER_BLOCK = 8192


class NearPairs(NamedTuple):
    """Pairs of rows within a distance, and the orientation of the first: three arrays (P,)."""

    rows: NDArray[np.int64]
    others: NDArray[np.int64]
    orientations: NDArray[np.int64]


def near_pairs(oriented: Hashes, others: Hashes, distance: int, *, within: bool = False) -> NearPairs:
    """Find the pairs of oriented hashes (N, 8, 4) and hashes (M, 4) that differ in at most `distance` bits of 256.

    `within` is for the hashes of one table, and gives pairs with row < other only. Hashes of 0 bits are near nothing.
    """
    oriented = np.ascontiguousarray(oriented.transpose(1, 2, 0))  # (8, 4, N)
    columns = np.ascontiguousarray(others.T)  # (4, M)
    pairs = []
    for start in range(0, oriented.shape[2], _ROWS_PER_BLOCK):
        block = oriented[:, :, start : start + _ROWS_PER_BLOCK]
        for first in range(start + 1 if within else 0, columns.shape[1], _COLUMNS_PER_BLOCK):
            part = columns[:, first : first + _COLUMNS_PER_BLOCK]
            pairs += [
                np.stack([rows + start, matches + first, np.full(len(rows), orientation)])
                for orientation in range(len(block))
                for rows, matches in [np.nonzero(_differing_bits(block[orientation], part) <= distance)]
            ]
    rows, matches, orientations = np.concatenate(pairs, axis=1) if pairs else np.zeros((3, 0), dtype=np.int64)
    valid = np.any(oriented[0][:, rows], axis=0) & np.any(columns[:, matches], axis=0)
    if within:
        valid &= rows < matches
    return NearPairs(rows[valid], matches[valid], orientations[valid])


def _differing_bits(hashes: Hashes, others: Hashes) -> NDArray[np.uint8]:
    """Count the differing bits of hashes (4, A) and (4, B), (A, B); all 256 wrap around to 0.

    The arrays are written in place because allocating them takes longer than computing them.
    """
    shape = (hashes.shape[1], others.shape[1])
    different, count, bits = np.empty(shape, np.uint64), np.empty(shape, np.uint8), np.zeros(shape, np.uint8)
    for word in range(len(hashes)):
        np.bitwise_xor(hashes[word][:, None], others[word], out=different)
        np.bitwise_count(different, out=count)
        np.add(bits, count, out=bits)
    return bits
