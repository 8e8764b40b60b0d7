"""Partial labels: cells that are known to be of one of several classes, and take part in training only.

The column `possible_labels` of a manifest names the classes (`promyelocyte|myelocyte`), and `label` is empty.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.data.identity import clean_name
from lymphoscope.data.manifest import POSSIBLE_LABELS, Manifest, has_partial_label
from lymphoscope.errors import LymphoscopeError
from lymphoscope.terminal import counted

_SEPARATOR = "|"


def join_labels(labels: Iterable[str]) -> str:
    """Return several classes as one value of the column."""
    return _SEPARATOR.join(labels)


def possible_labels(value: object) -> list[str | None]:
    """Return the classes that a value of the column names, cleaned; None for an empty name, [] for an empty value."""
    text = clean_name(value)
    return [] if text is None else [clean_name(name) for name in text.split(_SEPARATOR)]


def unknown_possible_labels(table: pd.DataFrame) -> dict[Any, list[str]]:
    """Return, by the index of a cell with a partial label, its possible labels that no cell of the table has."""
    classes, unknown = set(table["label"].dropna()), {}
    for row in table.index[has_partial_label(table)]:
        names = [str(name) for name in possible_labels(table.at[row, POSSIBLE_LABELS]) if name not in classes]
        if names:
            unknown[row] = names
    return unknown


def add_partial_labels(table: pd.DataFrame, units: "pd.Series[Any]") -> pd.DataFrame:
    """Put the cells with partial labels into training, except those of units (N,) with a held-out cell.

    Raises LymphoscopeError for a possible label that no cell of the table has.
    """
    _refuse_unknown_labels(table)
    held_out = set(units[table["split"].isin(["validation", "test"])])
    chosen = has_partial_label(table) & ~units.isin(held_out)
    return table.assign(split=table["split"].mask(chosen, "train"))


def without_unusable_labels(manifest: Manifest, *, partial_labels: bool) -> Manifest:
    """Take the cells without a label out of a table's own split, and count them in a notice.

    With `partial_labels`, cells with a partial label stay in training. Raises LymphoscopeError as `add_partial_labels`.
    """
    table = manifest.table
    in_part, kept = table["split"].notna(), table["label"].notna()
    if partial_labels:
        _refuse_unknown_labels(table)
        kept |= has_partial_label(table) & (table["split"] == "train")
    if not (in_part & ~kept).any():
        return manifest
    notice = f"left out of the table's split: {counted(int((in_part & ~kept).sum()), 'cell')} without a label"
    return manifest.with_table(table.assign(split=table["split"].where(kept)), notice)


def possible_classes(table: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.bool_] | None:
    """Return which of the classes (K) each cell may be (N, K), or None if every cell has a label."""
    if not has_partial_label(table).any():
        return None
    cells = zip(table["label"], table[POSSIBLE_LABELS], strict=True)
    names = [[label] if label else possible_labels(value) for label, value in cells]
    return np.array([[name in known for name in classes] for known in names])


def _refuse_unknown_labels(table: pd.DataFrame) -> None:
    for row, names in unknown_possible_labels(table).items():
        raise LymphoscopeError(
            f"{table['path'][row]}: its possible label {names[0]!r} is no class of the data "
            f"({', '.join(sorted(table['label'].dropna().unique()))}): correct it, or set data.partial_labels=false"
        )
