import numpy as np
from hypothesis import given, settings, strategies as st

from lymphoscope.data.similarity.hamming import near_pairs


def brute_force(oriented: np.ndarray, others: np.ndarray, distance: int, within: bool) -> set[tuple[int, int, int]]:
    return {
        (i, j, orientation)
        for i in range(len(oriented))
        for j in range(len(others))
        for orientation in range(8)
        if (not within or i < j) and oriented[i, 0].any() and others[j].any()
        if np.bitwise_count(oriented[i, orientation] ^ others[j]).sum() <= distance
    }


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 12), st.integers(0, 12), st.integers(0, 40), st.booleans())
def test_near_pairs_match_brute_force(seed: int, rows: int, columns: int, distance: int, within: bool) -> None:
    generator = np.random.default_rng(seed)
    # Few bits are set, so that some pairs are near.
    others = generator.integers(0, 2**63, (columns, 4), dtype=np.uint64) & np.uint64(0x0003_0000_0300_0003)
    oriented = generator.integers(0, 2**63, (rows, 8, 4), dtype=np.uint64) & np.uint64(0x0003_0000_0300_0003)
    if within:
        oriented = np.repeat(others[:, None], 8, axis=1)
    pairs = near_pairs(oriented, others, distance, within=within)
    assert set(zip(*(values.tolist() for values in pairs), strict=True)) == brute_force(
        oriented, others, distance, within
    )


def test_pairs_are_found_across_blocks() -> None:
    generator = np.random.default_rng(0)
    hashes = generator.integers(1, 2**63, (9000, 4), dtype=np.uint64)
    hashes[8900] = hashes[3] ^ np.array([1, 0, 0, 0], dtype=np.uint64)
    hashes[150] = hashes[70]
    oriented = np.random.default_rng(1).integers(1, 2**63, (9000, 8, 4), dtype=np.uint64)
    oriented[:, 5] = hashes
    pairs = near_pairs(oriented[:200], hashes, 1, within=True)
    assert {(int(i), int(j)) for i, j in zip(pairs.rows, pairs.others, strict=True)} == {(3, 8900), (70, 150)}
    assert set(pairs.orientations.tolist()) == {5}


def test_inverse_hashes_are_at_most_wrongly_near_and_never_an_error() -> None:
    zero, ones = np.full((1, 8, 4), 1, dtype=np.uint64), np.full((1, 4), 2**64 - 2, dtype=np.uint64)
    assert len(near_pairs(zero, ones, 0).rows) in (0, 8)
