"""Groups of cells that must stay together: those of one subject, and of subjects who share a cell."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lymphoscope.data.fingerprints import with_fingerprints
from lymphoscope.data.images import UnreadableImage, read_image
from lymphoscope.data.looks import correlation, look_of, near_pairs
from lymphoscope.data.manifest import Manifest, below_common_folder

COPY_DISTANCE = 8
"""Bits of 256 of the perceptual hash within which two files may be one picture."""
COPY_CORRELATION = 0.99
"""Correlation from which they are."""

Numbers = NDArray[np.int64]


def subject_groups(manifest: Manifest) -> "pd.Series[Any]":
    """The group of every cell, a str, on the table's index; fingerprints that are missing are computed.

    Subjects who share a cell are one group, named by all of them ("20+21"), as METHOD (Evaluation protocol) asks: a
    byte-identical file, or one picture in two files (C-NMC's H2 and H6 share cells that differ in ten pixels of the
    edge). A cell without a subject is its own group, together with its copies.
    """
    table = with_fingerprints(manifest).table
    owners = _owners(table)
    component = _components(owners, pd.factorize(table["sha256"])[0])
    component = _components(component, _joined(len(table), _copies(table, component)))
    names = table["subject"].groupby(component).agg(_name)
    first = pd.Series(below_common_folder(list(table["path"])), dtype=object).groupby(component).min()
    named = names.where(names != "", "cell " + first)
    return pd.Series(named.to_numpy(dtype=object)[component], index=table.index, name="group", dtype=object)


def _owners(table: pd.DataFrame) -> Numbers:
    """(N,): one number a subject, and one for each cell without."""
    codes, known = pd.factorize(table["subject"])
    owners: Numbers = np.where(codes < 0, len(known) + np.arange(len(table)), codes)
    return owners


def _components(owners: Numbers, keys: Numbers) -> Numbers:
    """(N,) 0..C-1: owners that hold an equal key are one component; a key of -1 joins nothing."""
    known = keys >= 0
    nodes = owners.max(initial=-1) + 1
    size = nodes + keys.max(initial=-1) + 1
    links = (np.ones(known.sum()), (owners[known], nodes + keys[known]))
    _, component = connected_components(coo_array(links, shape=(size, size)), directed=False)
    dense: Numbers = np.unique(component[owners], return_inverse=True)[1]
    return dense


def _copies(table: pd.DataFrame, component: Numbers) -> list[tuple[int, int]]:
    """Pairs of cells of different components that are one picture. Only what the hash proposes is read again."""
    distinct = table.assign(component=component).drop_duplicates(["component", "phash"])
    held, paths, places = list(distinct["component"]), list(distinct["path"]), list(distinct.index)
    proposed = near_pairs(list(distinct["phash"]), COPY_DISTANCE)
    apart = ((i, j) for i, j in proposed if held[i] != held[j])
    return [(places[i], places[j]) for i, j in apart if _is_one_picture(paths[i], paths[j])]


def _is_one_picture(one: str, other: str) -> bool:
    try:
        looks = [look_of(read_image(path)) for path in (one, other)]
    except UnreadableImage:
        return False
    return correlation(looks[0].thumbnail, looks[1].thumbnail) >= COPY_CORRELATION


def _joined(cells: int, pairs: list[tuple[int, int]]) -> Numbers:
    """(N,): an equal number for cells that pairs join, -1 for the others."""
    ends = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    links = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(cells, cells))
    joined: Numbers = np.full(cells, -1, dtype=np.int64)
    joined[ends.ravel()] = connected_components(links, directed=False)[1][ends.ravel()]
    return joined


def _name(subjects: "pd.Series[Any]") -> str:
    return "+".join(sorted(subjects.dropna().unique()))
