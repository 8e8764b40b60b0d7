"""Audit checks for cells that occur twice: files of equal bytes, and images that show the same cell."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from lymphoscope.data.findings import Finding, Severity
from lymphoscope.data.similarity.matching import matching_cells

_CHECKS = {
    "label": ("two-labels", "under two labels"),
    "subject": ("two-subjects", "under two subjects"),
    "split": ("split-cell", "in two parts of the split"),
}
"""Column in which two images of one cell must agree -> name of the check, and its description."""


def exact_duplicates(cells: pd.DataFrame) -> Iterator[Finding]:
    """Yield each file with the SHA-256 of an earlier one: an error if label, subject or part of the split differ.

    `cells` is indexed from 0.
    """
    values, paths = _column_values(cells), list(cells["path"])
    repeated = cells[cells["sha256"].notna() & cells["sha256"].duplicated(keep=False)]
    for copies in repeated.groupby("sha256").groups.values():
        first = int(copies[0])
        for other in map(int, copies[1:]):
            differences = _differences(values, first, other)
            for check, detail in differences:
                yield Finding(check, "error", paths[first], paths[other], f"the same file {detail}")
            if not differences:
                yield Finding("duplicate", "warning", paths[first], paths[other], "the same file twice")


def near_duplicates(cells: pd.DataFrame, max_distance: int) -> Iterator[Finding]:
    """Yield pairs of images that show the same cell: a warning if label, subject or part of the split differ.

    `cells` is indexed from 0. Only the first of byte-identical files takes part; the others are exact duplicates.
    """
    values, paths = _column_values(cells), list(cells["path"])
    unique = np.flatnonzero(cells["sha256"].notna() & ~cells["sha256"].duplicated())
    for match in matching_cells(cells.iloc[unique], near_distance=max_distance):
        first, other = int(unique[match.row]), int(unique[match.other])
        details = [detail for _, detail in _differences(values, first, other)]
        detail = f"show the same cell ({match.detail}) {' and '.join(details)}".rstrip()
        severity: Severity = "warning" if details else "notice"
        yield Finding("near-duplicate", severity, paths[first], paths[other], detail)


def _column_values(cells: pd.DataFrame) -> dict[str, list[str | None]]:
    """The columns of _CHECKS as lists: looking up single values of a data frame is too slow for every pair."""
    return {name: list(cells[name]) for name in _CHECKS if name in cells}


def _differences(values: dict[str, list[str | None]], first: int, other: int) -> list[tuple[str, str]]:
    """Check and detail for each column that is known for both cells and differs."""
    differences = []
    for name, column in values.items():
        pair = (column[first], column[other])
        if None not in pair and pair[0] != pair[1]:
            check, description = _CHECKS[name]
            differences.append((check, f"{description} ({pair[0]}, {pair[1]})"))
    return differences
