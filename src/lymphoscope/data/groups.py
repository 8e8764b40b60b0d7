"""Groups of cells that must stay in one part of a split: those of one subject, and of subjects who share a cell."""

from typing import Any

import pandas as pd
from scipy.cluster.hierarchy import DisjointSet

from lymphoscope.data.manifest import Manifest, below_common_folder
from lymphoscope.data.similarity import COPY_CORRELATION, matching_cells, with_fingerprints


def subject_groups(manifest: Manifest) -> "pd.Series[Any]":
    """Return the group of every cell, a str, on the table's index; missing fingerprints are computed.

    Subjects who share a cell form one group, named by all of them ("20+21"). They share it as a byte-identical file or
    as one image in two files (C-NMC's H2 and H6 share cells that differ in ten pixels at the edge). A cell without a
    subject forms a group with its copies.
    """
    table = with_fingerprints(manifest).table
    groups = DisjointSet(range(len(table)))
    for column in ("subject", "sha256"):
        _merge_equal(groups, table[column])
    for match in matching_cells(table):
        if match.correlation >= COPY_CORRELATION:
            groups.merge(match.row, match.other)
    root = pd.Series([groups[row] for row in table.index], index=table.index)
    names = table["subject"].groupby(root).agg(_group_name)
    first = pd.Series(below_common_folder(list(table["path"])), dtype=object).groupby(root).min()
    return root.map(names.where(names != "", "cell " + first)).astype(object).rename("group")


def _merge_equal(groups: DisjointSet, values: "pd.Series[Any]") -> None:
    """Merge rows with the same value; None equals nothing."""
    for rows in values.groupby(values).groups.values():
        for row in rows[1:]:
            groups.merge(rows[0], row)


def _group_name(subjects: "pd.Series[Any]") -> str:
    return "+".join(sorted(subjects.dropna().unique()))
