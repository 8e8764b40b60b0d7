"""How many cells of each subject, or slide, were called blast, and how many of the labelled ones rightly."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.evaluation.metrics import Floats


@dataclass(frozen=True)
class Counts:
    """Cells with a prediction of U subjects or slides, each array (U,).

    `called` of `cells` were called blast; `found` of the cells labelled `blasts` were, `cleared` of the `normals`
    (any other label) were not. `subjects`, `slides` (None throughout for subjects) and `labels`, the commonest label
    of all its cells or None, are text.
    """

    subjects: list[str]
    slides: list[str | None]
    labels: list[str | None]
    cells: Floats
    called: Floats
    blasts: Floats
    found: Floats
    normals: Floats
    cleared: Floats


def count_cells(table: pd.DataFrame, by: list[str], blast_class: str) -> Counts:
    """Counts of the rows of a predictions table by `by` (subject, or subject and slide), in order of the names.

    Rows that lack one of the names are left out; a subject without any prediction has 0 cells.
    """
    rows = table[table[by].notna().all(axis=1)]
    groups = rows.groupby(by, sort=True)
    code, names = groups.ngroup().to_numpy(), [(*map(str, name), None)[:2] for name, _ in groups]
    called, blast = (rows[name].to_numpy() == blast_class for name in ("predicted", "label"))
    normal = rows["label"].notna().to_numpy() & ~blast
    usable = is_usable(rows)

    def sums(*masks: NDArray[np.bool_]) -> Floats:
        return np.bincount(code, np.logical_and.reduce([usable, *masks]), minlength=len(names)).astype(np.float64)

    return Counts(
        [str(subject) for subject, _ in names],
        [slide for _, slide in names],
        [_commonest(labels) for _, labels in groups["label"]],
        cells=sums(usable),
        called=sums(called),
        blasts=sums(blast),
        found=sums(blast, called),
        normals=sums(normal),
        cleared=sums(normal, ~called),
    )


def is_usable(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows have a prediction (N,)."""
    return (rows["predicted"].notna() & rows["error"].isna()).to_numpy(dtype=bool)


def _commonest(labels: "pd.Series[str]") -> str | None:
    counts = labels.dropna().value_counts()
    return None if counts.empty else str(counts[counts == counts.max()].index.min())
