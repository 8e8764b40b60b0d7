"""The manifest: a table with one row per cell, its image file and what is known about it."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lymphoscope.data.identity import IDENTITY_COLUMNS, clean_name

COLUMNS = ("path", "label", "subject", "slide", "phase", "sha256", "width", "height")
"""Columns that every manifest has; POSSIBLE_LABELS, HASH_COLUMNS, `split` (of PARTS), `group` and `fold` may follow."""
POSSIBLE_LABELS = "possible_labels"
"""Column of the classes that a cell without a label may be, see `partial_labels`."""
HASH_COLUMNS = ("phash", "simhash", "window_hash")
"""Columns of hashes of what an image shows, see `similarity`."""
PARTS = ("train", "validation", "test")
"""Values of the column `split`; empty where a cell takes no part."""
SOURCE_COLUMN = "data_source"
"""Column of a written manifest that records the source, so that synthetic cells remain marked as synthetic."""

KNOWN_COLUMNS = (*COLUMNS, POSSIBLE_LABELS, *HASH_COLUMNS, "split", "group", "fold", SOURCE_COLUMN)
"""Columns that mean something; others are preserved."""

WHOLE_NUMBERS = ("width", "height", "fold")
"""Columns of whole numbers."""


@dataclass(frozen=True)
class Manifest:
    """A table of cells with at least COLUMNS, the name of its source, and notices for readers of the results.

    `path` is absolute; text columns hold str or None, `width`, `height` (pixels) and `fold` whole numbers or NA.
    """

    table: pd.DataFrame
    source: str
    notices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", _tidy(self.table))

    def __len__(self) -> int:
        return len(self.table)

    @property
    def classes(self) -> list[str]:
        """The labels in the table, sorted."""
        return sorted(self.table["label"].dropna().unique())

    @property
    def digest(self) -> str:
        """SHA-256 over every cell's path below the common folder, label, subject and hash, in sorted order.

        The label is the possible labels where these take part in training. It does not depend on the location of the
        cells or the order of the rows.
        """
        table = self.table
        if POSSIBLE_LABELS in table and "split" in table:
            table = table.assign(label=table["label"].fillna(table[POSSIBLE_LABELS].where(table["split"].notna())))
        values = table[["label", "subject", "sha256"]].fillna("").itertuples(index=False)
        rows = zip(below_common_folder(list(table["path"])), values, strict=True)
        lines = sorted("\t".join((path, *row)) for path, row in rows)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def with_table(self, table: pd.DataFrame, *notices: str) -> "Manifest":
        """Return a manifest of the same source with another table and further notices."""
        return Manifest(table, self.source, tuple(dict.fromkeys(self.notices + notices)))


def manifest_of(cells: list[dict[str, Any]], source: str, notices: tuple[str, ...] = ()) -> Manifest:
    """Make a manifest of cells given as dictionaries; missing columns are empty."""
    return Manifest(pd.DataFrame(cells, columns=None if cells else list(COLUMNS)), source, notices)


def has_partial_label(table: pd.DataFrame) -> "pd.Series[bool]":
    """Return which cells have possible labels and no label (N,)."""
    if POSSIBLE_LABELS not in table:
        return pd.Series(False, index=table.index)
    return table[POSSIBLE_LABELS].notna() & table["label"].isna()


def below_common_folder(paths: list[str]) -> list[str]:
    """Return paths relative to the deepest folder that contains them all, with forward slashes.

    Addresses, and relative paths among absolute ones, are in no such folder and stay as they are.
    """
    local = {path for path in paths if "://" not in path}
    below = {path for path in local if path.startswith("/")} or local
    if not below:
        return list(paths)
    # A table has many paths in few folders, and a Path takes long to make.
    folders = {folder: Path(folder) for folder in {_folder(path) for path in below}}
    common = Path(os.path.commonpath([str(folder) for folder in folders.values()]))
    shorter = {name: folder.relative_to(common).as_posix() for name, folder in folders.items()}
    starts = {name: "" if folder == "." else f"{folder}/" for name, folder in shorter.items()}
    return [starts[_folder(path)] + path[len(_folder(path)) :] if path in below else path for path in paths]


def _folder(path: str) -> str:
    return path[: path.rfind("/") + 1]


def _tidy(table: pd.DataFrame) -> pd.DataFrame:
    """All columns in order, text as str or None, numbers as Int64, rows indexed from 0."""
    others = [name for name in table.columns if name not in COLUMNS]
    tidy = table.reindex(columns=[*COLUMNS, *others]).reset_index(drop=True)
    for name in (*COLUMNS, POSSIBLE_LABELS, *HASH_COLUMNS, "split", "group"):
        if name in tidy.columns and name not in WHOLE_NUMBERS:
            tidy[name] = _as_names(tidy[name]) if name in (*IDENTITY_COLUMNS, POSSIBLE_LABELS) else _as_text(tidy[name])
    for name in WHOLE_NUMBERS:
        if name in tidy.columns:
            tidy[name] = pd.to_numeric(tidy[name]).astype("Int64")
    return tidy


def _as_names(column: "pd.Series[Any]") -> "pd.Series[Any]":
    return pd.Series([clean_name(value) for value in _without_decimals(column)], dtype=object)


def _as_text(column: "pd.Series[Any]") -> "pd.Series[Any]":
    return pd.Series(
        [
            value if type(value) is str else None if pd.isna(value) else str(value)
            for value in _without_decimals(column)
        ],
        dtype=object,
    )


def _without_decimals(column: "pd.Series[Any]") -> "pd.Series[Any]":
    # A label column of 0 and 1 with a gap is read as 0.0 and 1.0.
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        return column.astype("Int64")
    return column
