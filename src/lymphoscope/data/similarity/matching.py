"""Pairs of images that show the same cell, found from their hashes: in another frame, shifted, turned or mirrored.

Each image has one or two hashed views and up to two hashed windows (`views`). Images match if views are within
NEAR_DISTANCE bits of 256 and correlate, or if windows correlate; correlations are estimated from simhashes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.data.manifest import HASH_COLUMNS
from lymphoscope.data.similarity.hamming import Hashes, NearPairs, near_pairs
from lymphoscope.data.similarity.orientations import ORIENTATIONS
from lymphoscope.data.similarity.perceptual_hash import orientations_of, parse_hashes, perceptual_hash_of
from lymphoscope.data.similarity.simhash import (
    Simhashes,
    estimated_correlation,
    parse_simhashes,
    simhash_orientations,
    simhashes_of,
)
from lymphoscope.data.similarity.views import centred, views_of

NEAR_DISTANCE = 48
"""Bits of 256 within which two views may show one cell."""
VIEW_CORRELATION = 0.6
"""Estimated correlation from which such views do."""
WINDOW_CORRELATION = 0.7
"""Estimated correlation from which two windows show one nucleus."""
COPY_CORRELATION = 0.95
"""Estimated correlation from which a match is a copy of the same pixels."""

_VERSION = "2:"
"""Hashes of another version are computed again."""
_PREFILTER_DISTANCE = 100
"""Bits of 256 (a correlation of 0.34) beyond which windows are not compared further."""
_PAIRS_PER_BLOCK = 4096


class CellMatch(NamedTuple):
    """Two images of one cell, by row: how similar they are, and how the first is turned relative to the other."""

    row: int
    other: int
    correlation: float
    orientation: int

    @property
    def detail(self) -> str:
        """The evidence in words."""
        turned = f", {ORIENTATIONS[self.orientation]}" if self.orientation else ""
        return f"estimated correlation {self.correlation:.2f}{turned}"


class ImageHashes(NamedTuple):
    """The hashes of one image as texts, as the columns HASH_COLUMNS hold them."""

    phash: str
    simhash: str
    window_hash: str


def hash_image(pixels: NDArray[np.uint8]) -> ImageHashes:
    """Hash an image, (H, W, 3) uint8 RGB, for comparison with others."""
    views = views_of(pixels)
    simhashes = simhashes_of(centred(np.stack(views.thumbnails)))
    windows = simhashes_of(np.stack(views.windows)) if views.windows else []
    texts = (map(perceptual_hash_of, views.thumbnails), simhashes, windows)
    return ImageHashes(*(_VERSION + ";".join(each) for each in texts))


def is_current_hash(value: object) -> bool:
    """Return whether a value of HASH_COLUMNS was computed by this version."""
    return isinstance(value, str) and value.startswith(_VERSION)


@dataclass(frozen=True)
class HashTable:
    """The hashes of many images: of views (N,) and windows (M,), each with the index of its image."""

    view_images: NDArray[np.int64]
    phashes: Hashes
    simhashes: Simhashes
    window_images: NDArray[np.int64]
    windows: Simhashes

    @classmethod
    def of(cls, table: pd.DataFrame) -> "HashTable":
        """Parse the columns HASH_COLUMNS of a table; missing and outdated values have no hashes."""
        phash, simhash, window_hash = (_split_values(table, name) for name in HASH_COLUMNS)
        both = [
            (i, *pair)
            for i, (phashes, simhashes) in enumerate(zip(phash, simhash, strict=True))
            for pair in zip(phashes, simhashes, strict=False)
        ]
        windows = [(i, value) for i, values in enumerate(window_hash) for value in values]
        return cls(
            np.array([i for i, _, _ in both], dtype=np.int64),
            parse_hashes([value for _, value, _ in both]),
            parse_simhashes([value for _, _, value in both]),
            np.array([i for i, _ in windows], dtype=np.int64),
            parse_simhashes([value for _, value in windows]),
        )


def matching_cells(table: pd.DataFrame, *, near_distance: int = NEAR_DISTANCE) -> list[CellMatch]:
    """List the pairs of rows, row < other, of a table with HASH_COLUMNS that show the same cell, in order."""
    hashes = HashTable.of(table)
    return _strongest(match for match in _matches(hashes, hashes, near_distance, within=True))


def matching_cells_between(
    table: pd.DataFrame, other: pd.DataFrame, *, near_distance: int = NEAR_DISTANCE
) -> list[CellMatch]:
    """List the pairs of a row of `table` and a row of `other` that show the same cell, in order."""
    return _strongest(_matches(HashTable.of(table), HashTable.of(other), near_distance, within=False))


def _matches(hashes: HashTable, others: HashTable, near_distance: int, *, within: bool) -> Iterator[CellMatch]:
    views = near_pairs(orientations_of(hashes.phashes), others.phashes, near_distance, within=within)
    images = hashes.view_images, others.view_images
    yield from _confirmed(views, images, hashes.simhashes, others.simhashes, VIEW_CORRELATION, within=within)
    turned = _first_words(simhash_orientations(hashes.windows))
    windows = near_pairs(turned, _first_words(others.windows), _PREFILTER_DISTANCE, within=within)
    images = hashes.window_images, others.window_images
    yield from _confirmed(windows, images, hashes.windows, others.windows, WINDOW_CORRELATION, within=within)


def _first_words(hashes: Simhashes) -> Hashes:
    """The first 32 bits of each orientation, (..., 8, 4) uint32 -> (..., 4) uint64."""
    return np.ascontiguousarray(hashes[..., 0]).view(np.uint64)


def _confirmed(
    pairs: NearPairs,
    images: tuple[NDArray[np.int64], NDArray[np.int64]],
    hashes: Simhashes,
    others: Simhashes,
    min_correlation: float,
    *,
    within: bool,
) -> Iterator[CellMatch]:
    """Yield the pairs whose simhashes correlate, by their images."""
    for start in range(0, len(pairs.rows), _PAIRS_PER_BLOCK):
        block = slice(start, start + _PAIRS_PER_BLOCK)
        rows, other_rows, orientations = (values[block] for values in pairs)
        turned = simhash_orientations(hashes[rows])[np.arange(len(rows)), orientations]
        correlations = estimated_correlation(turned, others[other_rows])
        for at in np.flatnonzero(correlations >= min_correlation):
            row, other = int(images[0][rows[at]]), int(images[1][other_rows[at]])
            if not within or row < other:
                yield CellMatch(row, other, float(correlations[at]), int(orientations[at]))


def _strongest(matches: Iterable[CellMatch]) -> list[CellMatch]:
    best: dict[tuple[int, int], CellMatch] = {}
    for match in matches:
        key = match.row, match.other
        if key not in best or match.correlation > best[key].correlation:
            best[key] = match
    return [best[key] for key in sorted(best)]


def _split_values(table: pd.DataFrame, name: str) -> list[list[str]]:
    if name not in table:
        return [[] for _ in range(len(table))]
    return [
        value[len(_VERSION) :].split(";") if is_current_hash(value) and len(value) > len(_VERSION) else []
        for value in table[name]
    ]
