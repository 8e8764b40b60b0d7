"""Names of subjects, slides and labels: how they are cleaned when read, and when two spellings may mean the same.

Surrounding blanks and the Unicode form (NFC) are cleaned. Names that then differ only in case, blanks, leading zeros, a
final `.0` or a `b'...'` around them are never merged: they are reported, and refused like a leak.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

import pandas as pd

from lymphoscope.errors import LymphoscopeError

IDENTITY_COLUMNS = ("subject", "label", "slide")
"""Columns in which spellings are compared."""

_BYTES = re.compile(r"""b(['"])(.*)\1""", re.DOTALL)
_LEADING_ZEROS = re.compile(r"(?<![\d.])0+(?=\d)")
_DECIMAL_ZEROS = re.compile(r"(?<=\d)\.0+$")
_EXACT_INTEGERS = 2**53


def clean_name(value: object) -> str | None:
    """Return a name as text in NFC without surrounding blanks; None if it is missing or empty."""
    if isinstance(value, str) and value.isascii():  # is in NFC; most names are, and tables have many
        return value.strip() or None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if value is None or value is pd.NA or value is pd.NaT or value != value:  # NaN is not equal to itself
        return None
    return unicodedata.normalize("NFC", str(value)).strip() or None


def name_key(name: str) -> str:
    """Return a key that is equal for spellings of one name: `P01`, `p1` and `P 01`; `007`, `7.0` and `b'007'`."""
    key = unicodedata.normalize("NFKC", name).strip()
    if match := _BYTES.fullmatch(key):
        key = match[2]
    key = unicodedata.normalize("NFKC", "".join(key.casefold().split()))
    return _DECIMAL_ZEROS.sub("", _LEADING_ZEROS.sub("", key))


def spelling_conflicts(names: Iterable[str | None]) -> list[tuple[str, ...]]:
    """Return the groups of different names with the same key, each sorted."""
    spellings: dict[str, set[str]] = {}
    for name in dict.fromkeys(names):
        if name is not None:
            spellings.setdefault(name_key(name), set()).add(name)
    return sorted(tuple(sorted(group)) for group in spellings.values() if len(group) > 1)


def refuse_spelling_conflicts(table: pd.DataFrame, columns: Iterable[str] = ("subject", "label")) -> None:
    """Raise LymphoscopeError if a column of a table has names that may be spellings of one name."""
    for column in columns:
        conflicts = spelling_conflicts(table[column]) if column in table else []
        if conflicts:
            listed = " and ".join(repr(name) for name in conflicts[0])
            more = f" ({len(conflicts) - 1} more groups)" if len(conflicts) > 1 else ""
            raise LymphoscopeError(
                f"{column} {listed} may be the same {column}{more}: write each {column} in one way, "
                "`lymphoscope data audit` lists all"
            )


def check_exact_numbers(column: "pd.Series[Any]", name: str) -> None:
    """Raise LymphoscopeError if numbers are too large for floating point to keep different ids apart."""
    if pd.api.types.is_float_dtype(column) and (column.abs() >= _EXACT_INTEGERS).any():
        raise LymphoscopeError(
            f"column {name} has floating-point numbers above 2^53, in which different ids become equal: "
            "write the ids as text"
        )
