"""One cell that stands twice: byte for byte, or in two pictures that look alike."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.data.looks import NEAR_CORRELATION, correlation, near_pairs
from lymphoscope.data.report import Finding


def exact_duplicates(cells: pd.DataFrame) -> Iterator[Finding]:
    """Files of equal SHA-256, each with the first of them: errors where label, subject or part of a split differ."""
    twice = cells[cells["sha256"].notna() & cells["sha256"].duplicated(keep=False)]
    for _, copies in twice.groupby("sha256"):
        first = copies.index[0]
        for other in copies.index[1:]:
            differences = _differences(cells, first, other)
            for check, detail in differences:
                yield Finding(check, "error", *_paths(cells, first, other), f"one file {detail}")
            if not differences:
                yield Finding("duplicate", "warning", *_paths(cells, first, other), "one file twice")


def near_duplicates(
    cells: pd.DataFrame, thumbnails: list[NDArray[np.uint8] | None], distance: int
) -> Iterator[Finding]:
    """Pairs within `distance` bits of 256 that correlate; warnings where label, subject or part of a split differ.

    Of byte-identical files only the first takes part; the others are exact duplicates.
    """
    single = list(cells.index[cells["sha256"].notna() & ~cells["sha256"].duplicated()])
    for i, j in near_pairs(list(cells.loc[single, "phash"]), distance):
        one, other = single[i], single[j]
        likeness = _likeness(thumbnails[one], thumbnails[other])
        if likeness >= NEAR_CORRELATION:
            details = [detail for _, detail in _differences(cells, one, other)]
            text = f"look like one cell (correlation {likeness:.2f}) {' and '.join(details)}".rstrip()
            yield Finding("near-duplicate", "warning" if details else "notice", *_paths(cells, one, other), text)


def _likeness(one: NDArray[np.uint8] | None, other: NDArray[np.uint8] | None) -> float:
    return 0.0 if one is None or other is None else correlation(one, other)


def _differences(cells: pd.DataFrame, one: int, other: int) -> list[tuple[str, str]]:
    """Name of the check and its words for each column that is known for both cells and differs."""
    named = {"label": "under two labels", "subject": "under two subjects", "split": "in two parts of the split"}
    checks = {"label": "two-labels", "subject": "two-subjects", "split": "split-cell"}
    found = []
    for column in (name for name in named if name in cells):
        values: list[str | None] = [cells[column].iloc[row] for row in (one, other)]
        if None not in values and values[0] != values[1]:
            found.append((checks[column], f"{named[column]} ({values[0]}, {values[1]})"))
    return found


def _paths(cells: pd.DataFrame, one: int, other: int) -> tuple[str, str]:
    return str(cells.at[one, "path"]), str(cells.at[other, "path"])
