"""Read CSV and Parquet tables strictly: a damaged row is an error with its number, never a shifted or swallowed one."""

import csv
import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from lymphoscope.errors import LymphoscopeError, one_line
from lymphoscope.extras import require

TABLE_SUFFIXES = (".csv", ".parquet")
_DELIMITERS = (",", ";", "\t")


def read_table_file(path: Path) -> pd.DataFrame:
    """Read a CSV (separated by commas, semicolons or tabs) or Parquet table by suffix; CSV values stay text.

    Column names are stripped of surrounding blanks. Raises LymphoscopeError: no such file, another suffix, not a table,
    a row with more or fewer fields than the header, a line break within a field, two columns of one name.
    """
    check_table_suffix(path)
    if not path.is_file():
        raise LymphoscopeError(f"{path}: no such file")
    try:
        table = pd.read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    except (ValueError, OSError, csv.Error) as error:
        raise LymphoscopeError(f"{path} is not a readable table: {one_line(error, 200)}") from error
    table.columns = pd.Index(_column_names(table.columns, path))
    return table


def check_table_suffix(path: Path) -> None:
    """Raise LymphoscopeError for another suffix than .csv and .parquet, or if Parquet cannot be read here."""
    if path.suffix.lower() not in TABLE_SUFFIXES:
        suffix = path.suffix or "a file without suffix"
        raise LymphoscopeError(f"{path}: a manifest is a .csv or .parquet file, not {suffix}")
    if path.suffix.lower() == ".parquet":
        require("parquet", str(path))


def refuse_misspelled_columns(columns: Iterable[str], known: Iterable[str], where: object) -> None:
    """Raise LymphoscopeError for a column that differs from a known one only in case, blanks, `_` or `-`.

    Such a column would be ignored, and with it a person's own split or subjects.
    """
    keys = {_column_key(name): name for name in known}
    present = set(columns)
    for name in present:
        expected = keys.get(_column_key(name))
        if expected is not None and expected != name:
            other = " and remove one of the two" if expected in present else ""
            raise LymphoscopeError(f"{where}: column `{name}`: write it `{expected}`{other}")


def _read_csv(path: Path) -> pd.DataFrame:
    text = path.read_text(encoding="utf-8-sig")
    if "\0" in text:
        raise ValueError("it contains zero bytes, so it is not text")
    lines = text.splitlines()
    if not lines or not lines[0].strip():
        raise ValueError("it has no header")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(lines[0]), strict=True)
    header = next(reader)
    rows: list[list[str]] = []
    try:
        for fields in reader:
            if fields:  # a blank line is no row
                rows.append(fields)
                _check_row(fields, len(rows), reader.line_num, header, path)
    except csv.Error as error:
        place = f"{path}: row {len(rows) + 1} after the header (up to line {reader.line_num})"
        raise LymphoscopeError(f"{place}: {error}: a quote is missing, or one too many") from error
    # As text: subject 007 is not 7, and a subject named NA is not missing.
    columns = list(zip(*rows, strict=True)) or [()] * len(header)
    named = {index: pd.Series(values, dtype=object).replace("", None) for index, values in enumerate(columns)}
    table = pd.DataFrame(named)
    table.columns = pd.Index([name or f"Unnamed: {index}" for index, name in enumerate(header)])
    return table


def _delimiter(header: str) -> str:
    """The delimiter that occurs most in the header; a comma if there is none."""
    return max(_DELIMITERS, key=header.count)


def _check_row(fields: list[str], number: int, line: int, header: list[str], path: Path) -> None:
    place = f"{path}: row {number} after the header (up to line {line})"
    for name, field in zip(header, fields, strict=False):
        if "\n" in field or "\r" in field:
            raise LymphoscopeError(f"{place} has a line break in column {name}: a quote is missing, or one too many")
    if len(fields) != len(header):
        raise LymphoscopeError(
            f"{place} has {len(fields)} fields, but the header has {len(header)}: look for a missing quote or an extra "
            "separator"
        )


def _column_names(columns: Iterable[object], path: Path) -> list[str]:
    names = [str(name).strip() for name in columns]
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise LymphoscopeError(f"{path} has two columns `{doubled[0]}`: rename or remove one")
    return names


def _column_key(name: str) -> str:
    return "".join(char for char in name.casefold() if not (char.isspace() or char in "_-"))
