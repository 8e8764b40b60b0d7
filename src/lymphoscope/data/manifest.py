"""The manifest: a table with one row per cell, its image file and what is known about it."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lymphoscope.data.sources import source_names
from lymphoscope.errors import LymphoscopeError
from lymphoscope.extras import require
from lymphoscope.files import written_beside

COLUMNS = ("path", "label", "subject", "slide", "phase", "sha256", "width", "height")
"""Columns that every manifest has; `phash`, `simhash`, `split` (one of PARTS), `group` and `fold` may follow."""
PARTS = ("train", "validation", "test")
"""Values of the column `split`; empty where a cell takes no part."""
SOURCE_COLUMN = "data_source"
"""Column of a written manifest that records the source, so that synthetic cells remain marked as synthetic."""

_WHOLE_NUMBERS = ("width", "height", "fold")


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

    Relative paths start at the table's folder. Raises LymphoscopeError: no such file, another suffix, not a
    table, no column `path`, a row without a path, a `split` other than train, validation and test.
    """
    path = Path(path)
    table = _read_table(path)
    _check(table, path)
    folder = path.resolve().parent
    table["path"] = [_absolute(str(name), folder) for name in table["path"]]
    sources = set(table.pop(SOURCE_COLUMN).dropna()) if SOURCE_COLUMN in table.columns else set()
    return Manifest(table, sources.pop() if len(sources) == 1 and sources <= set(source_names()) else "table")


def write_manifest(manifest: Manifest, path: str | Path) -> None:
    """Write a manifest as CSV or Parquet, by suffix, atomically.

    Paths below the file's folder are written relative to it, so that the folder can be moved.
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
    """Return paths relative to the deepest folder that contains them all, with forward slashes."""
    if not paths:
        return []
    common = Path(os.path.commonpath([str(Path(path).parent) for path in paths]))
    return [Path(path).relative_to(common).as_posix() for path in paths]


def _tidy(table: pd.DataFrame) -> pd.DataFrame:
    """All columns in order, text as str or None, numbers as Int64, rows indexed from 0."""
    others = [name for name in table.columns if name not in COLUMNS]
    tidy = table.reindex(columns=[*COLUMNS, *others]).reset_index(drop=True)
    for name in (*COLUMNS, "phash", "simhash", "split", "group"):
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
        raise LymphoscopeError(
            f"{path}: a manifest is a .csv or .parquet file, not {path.suffix or 'a file without suffix'}"
        )
    if path.suffix.lower() == ".parquet":
        require("parquet", str(path))


def _read_table(path: Path) -> pd.DataFrame:
    _check_suffix(path)
    if not path.is_file():
        raise LymphoscopeError(f"{path}: no such file")
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        # As text: subject 007 is not 7, and a subject named NA is not missing.
        return pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    except (ValueError, OSError) as error:
        raise LymphoscopeError(f"{path} is not a readable table: {_one_line(error)}") from error


def _check(table: pd.DataFrame, path: Path) -> None:
    if "path" not in table.columns:
        columns = ", ".join(str(name) for name in table.columns[:8])
        raise LymphoscopeError(f"{path} has no column `path` (it has {columns}): rename the column of image files")
    _refuse(table["path"].isna() | (table["path"] == ""), path, "no path")
    if "split" in table.columns:
        valid = table["split"].isna() | table["split"].isin(PARTS)
        _refuse(~valid, path, f"a split other than {', '.join(PARTS)}")
    for name in set(_WHOLE_NUMBERS) & set(table.columns):
        numbers = pd.to_numeric(table[name], errors="coerce")
        _refuse(
            table[name].notna() & (numbers.isna() | (numbers % 1 != 0)), path, f"a {name} that is not a whole number"
        )


def _refuse(wrong: "pd.Series[bool]", path: Path, fault: str) -> None:
    if wrong.any():
        row = int(wrong.to_numpy().argmax()) + 1
        raise LymphoscopeError(f"{path}: row {row} after the header has {fault}: correct it")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _absolute(name: str, folder: Path) -> str:
    # An address such as s3://bucket/cell.png is absolute.
    return name if "://" in name else os.path.normpath(folder / name)


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
