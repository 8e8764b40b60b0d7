"""Groups of cells that must stay together: those of one subject, and of subjects who share a cell."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lymphoscope.data.fingerprints import with_fingerprints
from lymphoscope.data.manifest import Manifest, below_common_folder


def subject_groups(manifest: Manifest) -> "pd.Series[Any]":
    """The group of every cell, a str, on the table's index; hashes that are missing are computed.

    Subjects who share a byte-identical cell are one group, named by all of them ("20+21"), as METHOD (Evaluation
    protocol) asks. A cell without a subject is its own group, together with its identical copies.
    """
    table = with_fingerprints(manifest).table
    component = _linked(_owners(table), pd.factorize(table["sha256"])[0])
    names = table["subject"].groupby(component).agg(_joined)
    first = pd.Series(below_common_folder(list(table["path"])), dtype=object).groupby(component).min()
    named = names.where(names != "", "cell " + first)
    return pd.Series(named.to_numpy(dtype=object)[component], index=table.index, name="group", dtype=object)


def _owners(table: pd.DataFrame) -> "np.ndarray[Any, Any]":
    """(N,) int: one number a subject, and one for each cell without."""
    codes, known = pd.factorize(table["subject"])
    return np.where(codes < 0, len(known) + np.arange(len(table)), codes)


def _linked(owners: "np.ndarray[Any, Any]", hashes: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Connected components, (N,), of owners joined by equal hashes; a hash of -1 joins nothing."""
    known = hashes >= 0
    nodes = owners.max(initial=-1) + 1
    size = nodes + hashes.max(initial=-1) + 1
    links = (np.ones(known.sum()), (owners[known], nodes + hashes[known]))
    _, component = connected_components(coo_array(links, shape=(size, size)), directed=False)
    _, dense = np.unique(component[owners], return_inverse=True)
    return dense


def _joined(subjects: "pd.Series[Any]") -> str:
    return "+".join(sorted(subjects.dropna().unique()))
