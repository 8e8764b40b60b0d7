"""The manifest: one row a cell, where its picture is and what is known of it."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lymphoscope.errors import LymphoscopeError
from lymphoscope.extras import require
from lymphoscope.files import written_beside

COLUMNS = ("path", "label", "subject", "slide", "phase", "sha256", "width", "height")
"""Columns that every manifest has; `phash`, `sketch`, `split` (one of PARTS), `group` and `fold` may follow."""
PARTS = ("train", "validation", "test")
"""What the column `split` may hold; empty where a cell takes no part."""
SOURCES = ("cnmc", "folders", "table", "synthetic")
"""Where a manifest may come from."""
SOURCE_COLUMN = "data_source"
"""Column of a written manifest that keeps the source, so that synthetic cells stay called synthetic."""

_WHOLE_NUMBERS = ("width", "height", "fold")


@dataclass(frozen=True)
class Manifest:
    """Cells in a table with at least COLUMNS, the source they came from, and what a reader of results must know.

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
        """The labels that occur, sorted."""
        return sorted(self.table["label"].dropna().unique())

    @property
    def digest(self) -> str:
        """SHA-256 over every cell's path below the common folder, label, subject and hash, in sorted order.

        The same for the same cells wherever they lie and in whatever order the rows come.
        """
        known = self.table[["label", "subject", "sha256"]].fillna("").itertuples(index=False)
        rows = zip(below_common_folder(list(self.table["path"])), known, strict=True)
        lines = sorted("\t".join((path, *row)) for path, row in rows)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def with_table(self, table: pd.DataFrame, *notices: str) -> "Manifest":
        """The same source with another table, and notices added to those it has."""
        return Manifest(table, self.source, tuple(dict.fromkeys(self.notices + notices)))


def manifest_of(cells: list[dict[str, Any]], source: str, notices: tuple[str, ...] = ()) -> Manifest:
    """A manifest of cells given as dictionaries; columns that are not given are empty."""
    return Manifest(pd.DataFrame(cells, columns=None if cells else list(COLUMNS)), source, notices)


def read_manifest(path: str | Path) -> Manifest:
    """Read a CSV or Parquet table with at least the column `path`; further columns are kept.

    Relative paths are taken from the table's folder. Raises LymphoscopeError: no such file, another suffix, not a
    table, no `path` column, a row without a path, a `split` that is none of train, validation, test.
    """
    path = Path(path)
    table = _read_table(path)
    _check(table, path)
    folder = path.resolve().parent
    table["path"] = [_absolute(str(name), folder) for name in table["path"]]
    source = "table"
    if SOURCE_COLUMN in table.columns:
        named = set(table.pop(SOURCE_COLUMN).dropna())
        source = named.pop() if len(named) == 1 and named <= set(SOURCES) else source
    return Manifest(table, source)


def write_manifest(manifest: Manifest, path: str | Path) -> None:
    """Write a manifest as CSV or Parquet, by suffix, whole or not at all.

    Paths at or below the file's folder are written relative to it, so that the two can move together.
    """
    path = Path(path)
    _check_suffix(path)
    folder = path.resolve().parent
    table = manifest.table.assign(**{SOURCE_COLUMN: manifest.source})
    table["path"] = [_relative(Path(name), folder) for name in table["path"]]
    with written_beside(path) as beside:
        if path.suffix.lower() == ".csv":
            table.to_csv(beside, index=False)
        else:
            table.to_parquet(beside, index=False)


def below_common_folder(paths: list[str]) -> list[str]:
    """Paths below the deepest folder that holds them all, with forward slashes."""
    if not paths:
        return []
    common = Path(os.path.commonpath([str(Path(path).parent) for path in paths]))
    return [Path(path).relative_to(common).as_posix() for path in paths]


def _tidy(table: pd.DataFrame) -> pd.DataFrame:
    """Every column there, in order, text as str or None, numbers as Int64, rows numbered from 0."""
    others = [name for name in table.columns if name not in COLUMNS]
    tidy = table.reindex(columns=[*COLUMNS, *others]).reset_index(drop=True)
    for name in (*COLUMNS, "phash", "sketch", "split", "group"):
        if name in tidy.columns and name not in _WHOLE_NUMBERS:
            tidy[name] = _as_text(tidy[name])
    for name in _WHOLE_NUMBERS:
        if name in tidy.columns:
            tidy[name] = pd.to_numeric(tidy[name]).astype("Int64")
    return tidy


def _as_text(column: "pd.Series[Any]") -> "pd.Series[Any]":
    # A label column of 0 and 1 with a gap is read as 0.0 and 1.0.
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    return pd.Series([None if pd.isna(value) else str(value) for value in column], dtype=object)


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise LymphoscopeError(f"{path}: a manifest is a .csv or a .parquet file, not {path.suffix or 'neither'}")
    if path.suffix.lower() == ".parquet":
        require("parquet", str(path))


def _read_table(path: Path) -> pd.DataFrame:
    _check_suffix(path)
    if not path.is_file():
        raise LymphoscopeError(f"{path}: no such file")
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        # Text as it stands: subject 007 is not 7, and a subject called NA is not missing.
        return pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    except (ValueError, OSError) as error:
        raise LymphoscopeError(f"{path} is not a table that can be read: {_one_line(error)}") from error


def _check(table: pd.DataFrame, path: Path) -> None:
    if "path" not in table.columns:
        found = ", ".join(str(name) for name in table.columns[:8])
        raise LymphoscopeError(f"{path} has no column `path` (it has {found}): name the column of the files so")
    _refuse(table["path"].isna() | (table["path"] == ""), path, "no path")
    if "split" in table.columns:
        known = table["split"].isna() | table["split"].isin(PARTS)
        _refuse(~known, path, f"a split that is none of {', '.join(PARTS)}")
    for name in set(_WHOLE_NUMBERS) & set(table.columns):
        numbers = pd.to_numeric(table[name], errors="coerce")
        _refuse(table[name].notna() & (numbers.isna() | (numbers % 1 != 0)), path, f"no whole number in {name}")


def _refuse(wrong: "pd.Series[bool]", path: Path, fault: str) -> None:
    if wrong.any():
        row = int(wrong.to_numpy().argmax()) + 1
        raise LymphoscopeError(f"{path}: row {row} below the header has {fault}: mend it")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _absolute(name: str, folder: Path) -> str:
    # an address such as s3://bucket/cell.png is where it says it is
    return name if "://" in name else os.path.normpath(folder / name)


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
