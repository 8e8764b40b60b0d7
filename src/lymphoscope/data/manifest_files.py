"""Manifests in files and tables: read with their columns checked, and written."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from lymphoscope.data.identity import IDENTITY_COLUMNS, check_exact_numbers, clean_name
from lymphoscope.data.manifest import KNOWN_COLUMNS, PARTS, POSSIBLE_LABELS, SOURCE_COLUMN, WHOLE_NUMBERS, Manifest
from lymphoscope.data.partial_labels import possible_labels
from lymphoscope.data.sources import source_names
from lymphoscope.data.tables import check_table_suffix, read_table_file, refuse_misspelled_columns
from lymphoscope.errors import LymphoscopeError
from lymphoscope.files import written_beside
from lymphoscope.terminal import counted

_FORMULA = re.compile(r"[=@\t\r]|[+-](?![\d.]*$)")
"""How a value begins that spreadsheets take for a formula; a signed number is none."""
_CONSISTENT_COLUMNS = ("label", POSSIBLE_LABELS, "subject", "slide", "split", "fold")
_ALIASES = {
    **dict.fromkeys(("patient", "patientid", "subjectid", "patientno", "pid", "caseid"), "subject"),
    **dict.fromkeys(("class", "classname", "diagnosis", "category", "labels"), "label"),
    **dict.fromkeys(("slideid", "smear", "smearid"), "slide"),
}
"""Common names of columns, without case and punctuation -> the column that they probably are."""


def read_manifest(path: str | Path) -> Manifest:
    """Read a CSV or Parquet table with at least the column `path`; unknown columns are preserved.

    Relative paths start at the table's folder. Raises LymphoscopeError: what `read_table_file` and
    `manifest_from_table` raise.
    """
    path = Path(path)
    return manifest_from_table(read_table_file(path), folder=path.resolve().parent, where=path)


def manifest_from_table(table: pd.DataFrame, *, folder: Path, where: object = "the table") -> Manifest:
    """Make a manifest of a table with at least the column `path`; relative paths start at `folder`.

    `where` names the table in errors. Rows that repeat a path are left out, and a notice says how many.
    Raises LymphoscopeError: no column `path`, a column name that is nearly a known one, a row without a path, one path
    with two labels, subjects, slides or parts, a `split` other than train, validation and test, fewer than
    two possible labels or a label that is none of them, ids as floating-point numbers that are too large.
    """
    _check(table, where)
    table = table.assign(path=[_absolute(str(name), folder) for name in table["path"]])
    _refuse_contradictions(table, where)
    repeated = table["path"].duplicated()
    table = table[~repeated]
    sources = set(table.pop(SOURCE_COLUMN).dropna()) if SOURCE_COLUMN in table.columns else set()
    source = sources.pop() if len(sources) == 1 and sources <= set(source_names()) else "table"
    notices = [*_unused_columns(table.columns), *_formulas(table)]
    if repeated.any():
        notices.append(f"left out: {counted(int(repeated.sum()), 'row')} with the path of an earlier row")
    return Manifest(table, source, tuple(notices))


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
    if POSSIBLE_LABELS in table.columns:
        _check_possible_labels(table, where)
    for name in set(WHOLE_NUMBERS) & set(table.columns):
        numbers = pd.to_numeric(table[name], errors="coerce")
        fractional = table[name].notna() & (numbers.isna() | (numbers % 1 != 0))
        _refuse(fractional, where, f"a {name} that is not a whole number")


def _check_possible_labels(table: pd.DataFrame, where: object) -> None:
    is_one_value = table[POSSIBLE_LABELS].map(pd.api.types.is_scalar)  # Parquet files may hold lists
    names = table[POSSIBLE_LABELS].where(is_one_value, "|").map(possible_labels)
    too_few = names.map(lambda found: bool(found) and (None in found or len(set(found)) < 2))
    _refuse(too_few, where, f"{POSSIBLE_LABELS} that are not two or more names, such as myelocyte|metamyelocyte")
    if "label" in table.columns:
        labels = table["label"].map(clean_name)
        contradicts = [bool(found) and label and label not in found for label, found in zip(labels, names, strict=True)]
        _refuse(pd.Series(contradicts, dtype=bool), where, f"a label that is not among its {POSSIBLE_LABELS}")


def _refuse(wrong: "pd.Series[bool]", where: object, fault: str) -> None:
    if wrong.any():
        row = int(wrong.to_numpy().argmax()) + 1
        raise LymphoscopeError(f"{where}: row {row} after the header has {fault}: correct it")


def _refuse_contradictions(table: pd.DataFrame, where: object) -> None:
    """Refuse one path with two labels, subjects, slides or parts: which row is right cannot be known."""
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


def _formulas(table: pd.DataFrame) -> Iterator[str]:
    """A notice if names begin as a formula does: they are written to CSV as they are, so that tables still match."""
    for column in sorted(set(IDENTITY_COLUMNS) & set(table.columns)):
        names = [name for name in table[column].dropna().unique() if _FORMULA.match(str(name))]
        if names:
            yield (
                f"{counted(len(names), 'value')} of {column} that may run as a formula, such as {names[0]!r:.60}, if a "
                "spreadsheet opens a CSV with them: import the column as text"
            )


def _absolute(name: str, folder: Path) -> str:
    # An address such as s3://bucket/cell.png is absolute.
    return name if "://" in name else os.path.normpath(folder / name)


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
