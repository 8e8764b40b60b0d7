"""The manifest: a table with one row per cell, its image file and what is known about it."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lymphoscope.data.identity import IDENTITY_COLUMNS, check_exact_numbers, clean_name
from lymphoscope.data.sources import source_names
from lymphoscope.data.tables import check_table_suffix, read_table_file, refuse_misspelled_columns
from lymphoscope.errors import LymphoscopeError
from lymphoscope.files import written_beside

COLUMNS = ("path", "label", "subject", "slide", "phase", "sha256", "width", "height")
"""Columns that every manifest has; HASH_COLUMNS, `split` (one of PARTS), `group` and `fold` may follow."""
HASH_COLUMNS = ("phash", "simhash", "window_hash")
"""Columns of hashes of what an image shows, see `similarity`."""
PARTS = ("train", "validation", "test")
"""Values of the column `split`; empty where a cell takes no part."""
SOURCE_COLUMN = "data_source"
"""Column of a written manifest that records the source, so that synthetic cells remain marked as synthetic."""

KNOWN_COLUMNS = (*COLUMNS, *HASH_COLUMNS, "split", "group", "fold", SOURCE_COLUMN)
"""Columns that mean something; others are preserved."""

_WHOLE_NUMBERS = ("width", "height", "fold")
_CONSISTENT_COLUMNS = ("label", "subject", "split")
_ALIASES = {
    **dict.fromkeys(("patient", "patientid", "subjectid", "patientno", "pid", "caseid"), "subject"),
    **dict.fromkeys(("class", "classname", "diagnosis", "category", "labels"), "label"),
    **dict.fromkeys(("slideid", "smear", "smearid"), "slide"),
}
"""Common names of columns, without case and punctuation -> the column that they probably are."""


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

        It does not depend on the location of the cells or the order of the rows.
        """
        values = self.table[["label", "subject", "sha256"]].fillna("").itertuples(index=False)
        rows = zip(below_common_folder(list(self.table["path"])), values, strict=True)
        lines = sorted("\t".join((path, *row)) for path, row in rows)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def with_table(self, table: pd.DataFrame, *notices: str) -> "Manifest":
        """Return a manifest of the same source with another table and further notices."""
        return Manifest(table, self.source, tuple(dict.fromkeys(self.notices + notices)))


def manifest_of(cells: list[dict[str, Any]], source: str, notices: tuple[str, ...] = ()) -> Manifest:
    """Make a manifest of cells given as dictionaries; missing columns are empty."""
    return Manifest(pd.DataFrame(cells, columns=None if cells else list(COLUMNS)), source, notices)


def read_manifest(path: str | Path) -> Manifest:
    """Read a CSV or Parquet table with at least the column `path`; unknown columns are preserved.

    Relative paths start at the table's folder. Raises LymphoscopeError: what `read_table_file` and
    `manifest_from_table` raise.
    """
    path = Path(path)
    return manifest_from_table(read_table_file(path), folder=path.resolve().parent, where=path)


def manifest_from_table(table: pd.DataFrame, *, folder: Path, where: object = "the table") -> Manifest:
    """Make a manifest of a table with at least the column `path`; relative paths start at `folder`.

    `where` names the table in errors. Raises LymphoscopeError: no column `path`, a column name that is nearly a known
    one, a row without a path, one path with two labels, subjects or parts, a `split` other than train, validation and
    test, ids as floating-point numbers that are too large.
    """
    _check(table, where)
    table = table.assign(path=[_absolute(str(name), folder) for name in table["path"]])
    _refuse_contradictions(table, where)
    sources = set(table.pop(SOURCE_COLUMN).dropna()) if SOURCE_COLUMN in table.columns else set()
    source = sources.pop() if len(sources) == 1 and sources <= set(source_names()) else "table"
    return Manifest(table, source, tuple(_unused_columns(table.columns)))


def write_manifest(manifest: Manifest, path: str | Path) -> None:
    """Write a manifest as CSV or Parquet, by suffix, atomically.

    Paths below the file's folder are written relative to it, so that the folder can be moved.
    """
    path = Path(path)
    check_table_suffix(path)
    folder = path.resolve().parent
    table = manifest.table.assign(**{SOURCE_COLUMN: manifest.source})
    table["path"] = [_relative(Path(name), folder) for name in table["path"]]
    with written_beside(path) as beside:
        if path.suffix.lower() == ".csv":
            table.to_csv(beside, index=False)
        else:
            table.to_parquet(beside, index=False)


def below_common_folder(paths: list[str]) -> list[str]:
    """Return paths relative to the deepest folder that contains them all, with forward slashes."""
    if not paths:
        return []
    common = Path(os.path.commonpath([str(Path(path).parent) for path in paths]))
    return [Path(path).relative_to(common).as_posix() for path in paths]


def _tidy(table: pd.DataFrame) -> pd.DataFrame:
    """All columns in order, text as str or None, numbers as Int64, rows indexed from 0."""
    others = [name for name in table.columns if name not in COLUMNS]
    tidy = table.reindex(columns=[*COLUMNS, *others]).reset_index(drop=True)
    for name in (*COLUMNS, *HASH_COLUMNS, "split", "group"):
        if name in tidy.columns and name not in _WHOLE_NUMBERS:
            tidy[name] = _as_names(tidy[name]) if name in IDENTITY_COLUMNS else _as_text(tidy[name])
    for name in _WHOLE_NUMBERS:
        if name in tidy.columns:
            tidy[name] = pd.to_numeric(tidy[name]).astype("Int64")
    return tidy


def _as_names(column: "pd.Series[Any]") -> "pd.Series[Any]":
    return pd.Series([clean_name(value) for value in _without_decimals(column)], dtype=object)


def _as_text(column: "pd.Series[Any]") -> "pd.Series[Any]":
    return pd.Series([None if pd.isna(value) else str(value) for value in _without_decimals(column)], dtype=object)


def _without_decimals(column: "pd.Series[Any]") -> "pd.Series[Any]":
    # A label column of 0 and 1 with a gap is read as 0.0 and 1.0.
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        return column.astype("Int64")
    return column


def _check(table: pd.DataFrame, where: object) -> None:
    refuse_misspelled_columns(map(str, table.columns), KNOWN_COLUMNS, where)
    if "path" not in table.columns:
        columns = ", ".join(str(name) for name in table.columns[:8])
        raise LymphoscopeError(f"{where} has no column `path` (it has {columns}): rename the column of image files")
    _refuse(table["path"].isna() | (table["path"] == ""), where, "no path")
    _refuse(table["path"].map(lambda path: "\n" in str(path) or "\r" in str(path)), where, "a line break in its path")
    for name in set(IDENTITY_COLUMNS) & set(table.columns):
        check_exact_numbers(table[name], f"{name} of {where}")
    if "split" in table.columns:
        valid = table["split"].isna() | table["split"].isin(PARTS)
        _refuse(~valid, where, f"a split other than {', '.join(PARTS)}")
    for name in set(_WHOLE_NUMBERS) & set(table.columns):
        numbers = pd.to_numeric(table[name], errors="coerce")
        fractional = table[name].notna() & (numbers.isna() | (numbers % 1 != 0))
        _refuse(fractional, where, f"a {name} that is not a whole number")


def _refuse(wrong: "pd.Series[bool]", where: object, fault: str) -> None:
    if wrong.any():
        row = int(wrong.to_numpy().argmax()) + 1
        raise LymphoscopeError(f"{where}: row {row} after the header has {fault}: correct it")


def _refuse_contradictions(table: pd.DataFrame, where: object) -> None:
    """Refuse one path with two labels, subjects or parts: which row is right cannot be known."""
    repeated = table[table["path"].duplicated(keep=False)]
    for name in set(_CONSISTENT_COLUMNS) & set(table.columns):
        counts = repeated.groupby("path")[name].nunique(dropna=False)
        for path in counts.index[counts > 1][:1]:
            rows = np.flatnonzero((table["path"] == path).to_numpy()) + 1
            values = " and ".join(str(value) for value in table[name].iloc[rows - 1].unique()[:2])
            raise LymphoscopeError(
                f"{where}: rows {', '.join(map(str, rows[:4]))} after the header have the same path with {name} "
                f"{values}: keep one of them ({path})"
            )


def _unused_columns(columns: Iterable[str]) -> Iterator[str]:
    """A notice for every column that probably holds what a known column, which is absent, should hold."""
    present = set(columns)
    for name in columns:
        meant = _ALIASES.get("".join(char for char in str(name).casefold() if char.isalnum()))
        if meant is not None and meant not in present:
            yield f"the column `{name}` is not used: rename it `{meant}` if it holds the {meant} of each cell"


def _absolute(name: str, folder: Path) -> str:
    # An address such as s3://bucket/cell.png is absolute.
    return name if "://" in name else os.path.normpath(folder / name)


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
