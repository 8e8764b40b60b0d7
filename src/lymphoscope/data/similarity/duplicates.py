"""One cell that stands twice: byte for byte, or in two pictures that look alike."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.data.findings import Finding
from lymphoscope.data.similarity.perceptual_hash import NEAR_CORRELATION, correlation, near_duplicate_pairs

_DIFFERENCES = {
    "label": ("two-labels", "under two labels"),
    "subject": ("two-subjects", "under two subjects"),
    "split": ("split-cell", "in two parts of the split"),
}


def exact_duplicates(cells: pd.DataFrame) -> Iterator[Finding]:
    """Files of equal SHA-256, each with the first of them: errors where label, subject or part of a split differ.

    `cells` is numbered from 0.
    """
    known, paths = _known(cells), list(cells["path"])
    twice = cells[cells["sha256"].notna() & cells["sha256"].duplicated(keep=False)]
    for copies in twice.groupby("sha256").groups.values():
        first = int(copies[0])
        for other in map(int, copies[1:]):
            differences = _differences(known, first, other)
            for check, detail in differences:
                yield Finding(check, "error", paths[first], paths[other], f"one file {detail}")
            if not differences:
                yield Finding("duplicate", "warning", paths[first], paths[other], "one file twice")


def near_duplicates(
    cells: pd.DataFrame, thumbnails: list[NDArray[np.uint8] | None], distance: int
) -> Iterator[Finding]:
    """Pairs within `distance` bits of 256 that correlate; warnings where label, subject or part of a split differ.

    `cells` is numbered from 0. Of byte-identical files only the first takes part; the others are exact duplicates.
    """
    known, paths = _known(cells), list(cells["path"])
    single = np.flatnonzero(cells["sha256"].notna() & ~cells["sha256"].duplicated())
    for i, j in near_duplicate_pairs(list(cells["phash"].iloc[single]), distance):
        one, other = int(single[i]), int(single[j])
        likeness = _likeness(thumbnails[one], thumbnails[other])
        if likeness >= NEAR_CORRELATION:
            details = [detail for _, detail in _differences(known, one, other)]
            text = f"look like one cell (correlation {likeness:.2f}) {' and '.join(details)}".rstrip()
            yield Finding("near-duplicate", "warning" if details else "notice", paths[one], paths[other], text)


def _likeness(one: NDArray[np.uint8] | None, other: NDArray[np.uint8] | None) -> float:
    return 0.0 if one is None or other is None else correlation(one, other)


def _known(cells: pd.DataFrame) -> dict[str, list[str | None]]:
    """The columns in which one cell must not differ, as lists: a cell of a frame takes too long for every pair."""
    return {name: list(cells[name]) for name in _DIFFERENCES if name in cells}


def _differences(known: dict[str, list[str | None]], one: int, other: int) -> list[tuple[str, str]]:
    """Name of the check and its words for each column that is known for both cells and differs."""
    found = []
    for name, values in known.items():
        pair = (values[one], values[other])
        if None not in pair and pair[0] != pair[1]:
            check, words = _DIFFERENCES[name]
            found.append((check, f"{words} ({pair[0]}, {pair[1]})"))
    return found
