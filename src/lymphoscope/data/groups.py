"""Groups of cells that must stay together: those of one subject, and of subjects who share a cell."""

from typing import Any

import pandas as pd
from scipy.cluster.hierarchy import DisjointSet

from lymphoscope.data.images import UnreadableImage, read_image
from lymphoscope.data.manifest import Manifest, below_common_folder
from lymphoscope.data.similarity.fingerprints import with_fingerprints
from lymphoscope.data.similarity.perceptual_hash import correlation, near_duplicate_pairs, perceptual_hash

COPY_DISTANCE = 8
"""Bits of 256 of the perceptual hash within which two files may be one picture."""
COPY_CORRELATION = 0.99
"""Correlation from which they are."""


def subject_groups(manifest: Manifest) -> "pd.Series[Any]":
    """The group of every cell, a str, on the table's index; fingerprints that are missing are computed.

    Subjects who share a cell are one group, named by all of them ("20+21"), as METHOD (Evaluation protocol) asks: a
    byte-identical file, or one picture in two files (C-NMC's H2 and H6 share cells that differ in ten pixels of the
    edge). A cell without a subject is its own group, together with its copies.
    """
    table = with_fingerprints(manifest).table
    joined = DisjointSet(range(len(table)))
    for column in ("subject", "sha256"):
        _join_equal(joined, table[column])
    _join_copies(joined, table)
    root = pd.Series([joined[row] for row in table.index], index=table.index)
    names = table["subject"].groupby(root).agg(_name)
    first = pd.Series(below_common_folder(list(table["path"])), dtype=object).groupby(root).min()
    return root.map(names.where(names != "", "cell " + first)).astype(object).rename("group")


def _join_equal(joined: DisjointSet, values: "pd.Series[Any]") -> None:
    """Join rows with the same value; None is the same as nothing."""
    for rows in values.groupby(values).groups.values():
        for row in rows[1:]:
            joined.merge(rows[0], row)


def _join_copies(joined: DisjointSet, table: pd.DataFrame) -> None:
    """Join rows that are one picture. Only pairs that the hash proposes, and that are still apart, are read again."""
    paths = list(table["path"])
    for one, other in near_duplicate_pairs(list(table["phash"]), COPY_DISTANCE):
        if not joined.connected(one, other) and _is_one_picture(paths[one], paths[other]):
            joined.merge(one, other)


def _is_one_picture(one: str, other: str) -> bool:
    try:
        looks = [perceptual_hash(read_image(path)) for path in (one, other)]
    except UnreadableImage:
        return False
    return correlation(looks[0].thumbnail, looks[1].thumbnail) >= COPY_CORRELATION


def _name(subjects: "pd.Series[Any]") -> str:
    return "+".join(sorted(subjects.dropna().unique()))
