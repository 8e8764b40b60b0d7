"""The predictions table, which inference writes and evaluation, reports and review read."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError, one_line
from lymphoscope.extras import require
from lymphoscope.files import written_beside
from lymphoscope.terminal import counted
from lymphoscope.vocabulary import BOX_COLUMNS, SCORE_PREFIX, STREAMS, TEXT_COLUMNS, VOTE_COLUMNS, prediction_columns

# Numbers are read exactly by default from pandas 3.1, where the option is deprecated.
_PANDAS = tuple(int(part) for part in pd.__version__.split(".")[:2])
_EXACT_FLOATS: dict[str, Any] = {} if _PANDAS >= (3, 1) else {"float_precision": "round_trip"}
_SUM_TOLERANCE = 0.01
"""Tables of other programs may round their scores."""


def classes_of(table: pd.DataFrame, where: str = "predictions") -> list[str]:
    """The classes that the table scores, in the model's order: its `score_<class>` columns.

    Raises LymphoscopeError when there are fewer than two.
    """
    classes = [str(name).removeprefix(SCORE_PREFIX) for name in table.columns if str(name).startswith(SCORE_PREFIX)]
    if len(classes) < 2:
        raise LymphoscopeError(f"{where}: {len(classes)} score_<class> columns, at least two classes are needed")
    return classes


def as_predictions(rows: Iterable[Mapping[str, Any]] | pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Build a table with every column of `prediction_columns(classes)` in order; extra columns follow.

    A row may leave columns out: missing text and boxes become None, missing numbers NaN. Text is str, box pixels Int64,
    `agreement` and probabilities float64 in 0-1, `refer` bool (True where missing, so that a person checks the cell).
    `refer_reason` is a short fixed phrase, several joined by "; ", so that reasons can be counted.
    """
    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    names = prediction_columns(classes)
    extra = [name for name in table.columns if name not in names]
    table = table.reindex(columns=[*names, *extra]).reset_index(drop=True)
    return table.assign(**{name: _typed(table[name], name) for name in names})


def check_predictions(table: pd.DataFrame, where: str = "predictions") -> None:
    """Raise LymphoscopeError for a table without rows, with a missing column, or with a prediction that is no class.

    `label` may be a class that the model does not have: only evaluation needs it to be one.
    """
    if table.empty:
        raise LymphoscopeError(f"{where}: the table of predictions has no rows")
    classes = classes_of(table, where)
    missing = [name for name in prediction_columns(classes) if name not in table.columns]
    if missing:
        raise LymphoscopeError(f"{where}: column {missing[0]} is missing ({len(missing)} in all)")
    for name in ("predicted", *VOTE_COLUMNS):
        unknown = (table[name].notna() & ~table[name].isin(classes)).to_numpy(dtype=bool)
        _refuse_row(table, unknown, name, where, f"one of the classes {', '.join(classes)}")
    unscored = table["predicted"].notna() & table[[f"{SCORE_PREFIX}{name}" for name in classes]].isna().any(axis=1)
    if unscored.any():
        raise LymphoscopeError(f"{where}: {table['path'][unscored].iloc[0]} has a prediction but lacks a score")


def check_values(table: pd.DataFrame, where: str = "predictions") -> None:
    """Raise LymphoscopeError, with the row, for a value that no model gives.

    Scores and the softmax of each stream are from 0 to 1 and sum to 1 over the classes (within 0.01), agreement is from
    0 to 1, and the box is within the image and not empty.
    """
    classes = classes_of(table, where)
    for prefix in ("score", *STREAMS):
        names = [f"{prefix}_{name}" for name in classes]
        for name in names:
            _refuse_row(table, _outside(table[name]), name, where, "from 0 to 1")
        sums = table[names].sum(axis=1, skipna=False)
        off = ((sums - 1).abs() > _SUM_TOLERANCE).to_numpy(dtype=bool)
        _refuse_row(table.assign(**{f"{prefix}_..., summed": sums}), off, f"{prefix}_..., summed", where, "1")
    _refuse_row(table, _outside(table["agreement"]), "agreement", where, "from 0 to 1")
    for low, high in (("box_top", "box_bottom"), ("box_left", "box_right")):
        _refuse_row(table, (table[low] < 0).fillna(value=False).to_numpy(dtype=bool), low, where, "0 or more")
        empty = (table[high] <= table[low]).fillna(value=False).to_numpy(dtype=bool)
        _refuse_row(table, empty, high, where, f"larger than {low}")


def _outside(column: "pd.Series[float]") -> NDArray[np.bool_]:
    """Which values are neither missing nor from 0 to 1; infinite ones are among them."""
    return (column.notna() & ~column.between(0, 1)).to_numpy(dtype=bool)


def _refuse_row(table: pd.DataFrame, wrong: NDArray[np.bool_], name: str, where: str, expected: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        raise LymphoscopeError(
            f"{where}: row {row + 1} after the header has {name} {table[name].iloc[row]}, expected {expected} "
            f"({counted(int(wrong.sum()), 'such row')})"
        )


def _refuse_non_numbers(table: pd.DataFrame, where: str) -> None:
    """Raise LymphoscopeError, with the row, for text in a column of numbers."""
    numbers = [*prediction_columns(classes_of(table, where)), *BOX_COLUMNS]
    for name in [one for one in numbers if one in table and one not in TEXT_COLUMNS and one != "refer"]:
        values = pd.to_numeric(table[name], errors="coerce")
        wrong = table[name].notna() & values.isna()
        if name in BOX_COLUMNS:
            wrong |= values.notna() & (values % 1 != 0)
        expected = "a whole number of pixels" if name in BOX_COLUMNS else "a number"
        _refuse_row(table, wrong.to_numpy(dtype=bool), name, where, expected)


def has_prediction(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows (N,) have a prediction."""
    return (table["predicted"].notna() & table["error"].isna()).to_numpy(dtype=bool)


def read_predictions(path: Path) -> pd.DataFrame:
    """Read a predictions table from CSV or Parquet, by suffix, checked and in the types of `as_predictions`.

    Raises LymphoscopeError when the file is missing, is not such a table, or fails `check_predictions`.
    """
    table = _read(path)
    if table.empty:
        raise LymphoscopeError(f"{path}: the table of predictions has no rows")
    _refuse_non_numbers(table, str(path))
    try:
        table = as_predictions(table, classes_of(table, str(path))).loc[:, list(table.columns)]
    except (TypeError, ValueError) as error:
        raise LymphoscopeError(f"{path}: a value of the wrong type, {error}") from error
    check_predictions(table, str(path))
    check_values(table, str(path))
    return table.loc[:, [*prediction_columns(classes_of(table)), *_extra(table)]]


def write_predictions(table: pd.DataFrame, path: Path) -> None:
    """Write a predictions table as CSV or Parquet, by suffix, atomically; floats are written with every digit.

    Raises LymphoscopeError for another suffix or a table that fails `check_predictions`.
    """
    check_predictions(table)
    suffix = _suffix(path)
    table = as_predictions(table, classes_of(table))
    with written_beside(path) as beside:
        if suffix == ".csv":
            table.to_csv(beside, index=False)
        else:
            table.to_parquet(beside, index=False)


def _typed(column: "pd.Series[Any]", name: str) -> "pd.Series[Any]":
    if name in TEXT_COLUMNS:
        text = column.astype(object)
        return text.where(text.notna() & (text != ""), None)
    if name in BOX_COLUMNS:
        return pd.to_numeric(column).astype("Int64")
    if name == "refer":
        return column.astype("boolean").fillna(value=True).astype(bool)
    return pd.to_numeric(column).astype("float64")


def _read(path: Path) -> pd.DataFrame:
    suffix = _suffix(path)
    try:
        if suffix == ".parquet":
            return pd.read_parquet(path)
        # Only an empty field is missing: a subject may be called "NA", and "007" is not 7.
        text: dict[str, type] = dict.fromkeys(TEXT_COLUMNS, str)
        return cast(
            "pd.DataFrame", pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""], **_EXACT_FLOATS)
        )
    except FileNotFoundError:
        raise LymphoscopeError(f"{path}: no such table of predictions") from None
    except pd.errors.EmptyDataError:
        raise LymphoscopeError(f"{path}: the table of predictions is empty: predict again") from None
    except (ValueError, OSError) as error:
        raise LymphoscopeError(f"{path}: not a table of predictions ({one_line(error, 200)})") from error


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise LymphoscopeError(
            f"{path}: predictions are a .csv or .parquet file, not {suffix or 'a file without suffix'}"
        )
    if suffix == ".parquet":
        require("parquet", str(path))
    return suffix


def _extra(table: pd.DataFrame) -> list[str]:
    names = prediction_columns(classes_of(table))
    return [name for name in table.columns if name not in names]
