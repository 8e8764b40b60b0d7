"""Read results: a folder of `lymphoscope smear`, or a table of `lymphoscope predict` -> cells and fields, no pixels."""

import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lymphoscope.data.identity import clean_name
from lymphoscope.data.tables import TABLE_SUFFIXES, read_table_file
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import classes_of
from lymphoscope.files import sha256_of
from lymphoscope.review.audit import digest
from lymphoscope.smear import cell_class, read_features
from lymphoscope.smear.differential import NOT_CLASSED, SMUDGE
from lymphoscope.vocabulary import MODEL_ID_COLUMN, SCORE_PREFIX

TABLES: Final = ("cells.parquet", "cells.csv", "predictions.parquet", "predictions.csv")
"""Names of the table in a results folder, in the order in which they are looked for."""
_NO_WHITE_CELL: Final = {"platelet_clump": "platelet_clump", "stain_deposit": "artefact"}
"""Mark of a cell that no count classes -> the class that it has."""
_NUMBERS: Final = (
    *("x", "y", "width", "height", "microns_per_pixel", "detector_score"),
    *("sprite_x", "sprite_y", "sprite_size"),
)


@dataclass(frozen=True)
class Results:
    """The table and what is known of the fields and the model that it came from."""

    folder: Path
    table_name: str
    kind: str
    """`smear` or `predict`."""
    hash: str
    """SHA-256 over the hashes of the files that were read."""
    table: pd.DataFrame
    classes: tuple[str, ...]
    model: dict[str, Any]
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name of a field -> its entry of smear.json."""
    features: NDArray[np.float32] | None = None
    """(N, D) vectors of the rows of the table, of unit length; None where the results have none."""


def find_results(path: Path) -> list[Path]:
    """Return the tables at a path: the file itself, the folder's table, or those of its subfolders.

    Raises LymphoscopeError where there is none.
    """
    if path.is_file():
        return [path]
    found = _table_in(path)
    if found is not None:
        return [found]
    below = [table for folder in sorted(path.glob("*/")) if (table := _table_in(folder)) is not None]
    if not below:
        raise LymphoscopeError(
            f"{path}: no results: give an output folder of `lymphoscope smear`, or a table of predictions"
        )
    return below


def read_results(table_path: Path) -> Results:
    """Read a table and the smear.json beside it. Raises LymphoscopeError if they are not results."""
    folder = table_path.resolve().parent
    table = _read_table(table_path)
    classes = tuple(classes_of(table, str(table_path)))
    missing = [name for name in ("path", "predicted") if name not in table.columns]
    if missing:
        raise LymphoscopeError(f"{table_path}: column {missing[0]} is missing: give the output of smear or predict")
    if table.empty:
        raise LymphoscopeError(f"{table_path}: the table has no rows")
    description, hashes = _describe(folder / "smear.json"), [sha256_of(table_path)]
    if description:
        hashes.append(sha256_of(folder / "smear.json"))
    _check_ids(table, table_path)
    _check_numbers(table, classes, table_path)
    return Results(
        folder=folder,
        table_name=table_path.name,
        kind="smear" if description else "predict",
        hash=digest("\n".join(hashes)),
        table=table,
        classes=classes,
        model=_model_of(description, table, classes),
        fields={str(one.get("field")): one for one in description.get("fields", []) if isinstance(one, dict)},
        features=read_features(folder) if description.get("features") else None,
    )


def case_keys(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the cells of each case: those of one subject; without subjects of one slide; else all."""
    keys = [_case_key(row) for row in table.reindex(columns=["subject", "slide"]).itertuples(index=False)]
    for key, rows in table.groupby(pd.Series(keys, index=table.index), sort=True):
        yield str(key), rows


def cell_values(row: Mapping[str, Any], classes: tuple[str, ...]) -> dict[str, Any]:
    """Return the columns of a cell in the database that come from its row."""
    scores = {name: value for name in classes if (value := number(row.get(SCORE_PREFIX + name))) is not None}
    width, height, scale = number(row.get("width")), number(row.get("height")), number(row.get("microns_per_pixel"))
    has_size = width is not None and height is not None and scale is not None
    marks = names(row.get("marks"))
    suggested = suggestion(text(row.get("predicted")), text(row.get("counted_as")), marks)
    return {
        "cell_id": text(row.get("cell_id")) or text(row.get("path")) or "",
        "path": text(row.get("path")),
        "slide": clean_name(row.get("slide")),
        **{name: number(row.get(name)) for name in ("x", "y", "detector_score")},
        "width": width,
        "height": height,
        "microns_per_pixel": scale,
        "size_microns": math.sqrt(width * height) * scale if has_size else None,  # type: ignore[operator]
        "outline": outline(row.get("outline")),
        "marks": marks,
        "quality": names(row.get("quality")),
        "sprite": text(row.get("sprite")),
        **{name: whole(row.get(name)) for name in ("sprite_x", "sprite_y", "sprite_size")},
        "suggested": suggested,
        "suggested_score": scores.get(suggested) if suggested else None,
        "blast_score": _blast_score(scores),
        "uncertainty": uncertainty(scores),
        "scores": scores,
        "referred": flag(row.get("refer")),
        "refer_reason": text(row.get("refer_reason")),
        "error": text(row.get("error")),
        "counted_as": text(row.get("counted_as")),
        "in_target": None if _is_missing(row.get("in_target")) else flag(row.get("in_target")),
    }


def _blast_score(scores: Mapping[str, float]) -> float | None:
    """The score of all classes of blasts; None where the model has no such class and says nothing about blasts."""
    blasts = [value for name, value in scores.items() if cell_class(name).is_blast]
    return sum(blasts) if blasts else None


def suggestion(predicted: str | None, counted_as: str | None, marks: Collection[str] = ()) -> str | None:
    """Return the label to suggest: smudge cells, and what no count classes, as such.

    Of the latter a clump of platelets and a deposit of stain have a class; a cell cut by the edge is a cell, which is
    `not_classed`. None where the model could not say anything: a person must.
    """
    if predicted is None:
        return None
    if counted_as == NOT_CLASSED:
        return next((label for mark, label in _NO_WHITE_CELL.items() if mark in marks), NOT_CLASSED)
    return SMUDGE if counted_as == SMUDGE else predicted


def uncertainty(scores: Mapping[str, float]) -> float | None:
    """Return 1 minus the distance between the two highest scores: 0 is sure, 1 undecided; None without scores."""
    highest = sorted(scores.values(), reverse=True)[:2]
    return 1 - (highest[0] - highest[1]) if len(highest) == 2 else None


def text(value: Any) -> str | None:
    """Return a value as text that any database holds; None where it is missing."""
    name = clean_name(value)
    return name.replace("\0", "") if name else None


def number(value: Any) -> float | None:
    """Return a value as a finite number; None where it is missing."""
    if value is None or value is pd.NA or value == "":
        return None
    result = float(value)
    return result if math.isfinite(result) else None


def whole(value: Any) -> int | None:
    """Return a value as a whole number; None where it is missing."""
    result = number(value)
    return None if result is None else round(result)


def flag(value: Any) -> bool:
    """Return a value as true or false; missing is true, so that a person looks."""
    if isinstance(value, str):
        return value.strip().lower() not in ("false", "0", "no")
    return True if _is_missing(value) else bool(value)


def names(value: Any) -> list[str]:
    """Return a list of names from a list, or from text that separates them by semicolons or commas."""
    if isinstance(value, list | tuple | np.ndarray | set | frozenset):
        return [name for one in value if (name := text(one))]
    given = text(value)
    return [name.strip() for name in given.replace(",", ";").split(";") if name.strip()] if given else []


def outline(value: Any) -> list[list[float]] | None:
    """Return the polygon of a cell (K, 2) in pixels of the field, from GeoJSON coordinates or their text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    if isinstance(value, dict):
        value = value.get("coordinates")
    if value is None or isinstance(value, float):
        return None
    points = [list(point) for point in value]
    if points and not isinstance(points[0][0], int | float | np.number):  # rings of a polygon: the outer one
        points = [list(point) for point in points[0]]
    return [[round(float(x), 2), round(float(y), 2)] for x, y in points] or None


def _is_missing(value: Any) -> bool:
    return bool(value is None or value is pd.NA or value != value or value == "")


def _case_key(row: Any) -> str:
    subject, slide = clean_name(row.subject), clean_name(row.slide)
    return f"subject {subject}" if subject else f"slide {slide}" if slide else "all cells"


def _table_in(folder: Path) -> Path | None:
    return next((folder / name for name in TABLES if (folder / name).is_file()), None)


def _read_table(path: Path) -> pd.DataFrame:
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise LymphoscopeError(f"{path}: results are a folder, or a .csv or .parquet table")
    return read_table_file(path)


def _describe(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LymphoscopeError(f"{path} is not JSON: run `lymphoscope smear` again ({error})") from error
    if not isinstance(description, dict):
        raise LymphoscopeError(f"{path} is not the description of a smear: run `lymphoscope smear` again")
    return description


def _model_of(description: Mapping[str, Any], table: pd.DataFrame, classes: tuple[str, ...]) -> dict[str, Any]:
    """What the results say of their model, and whether its cells are synthetic."""
    ids = list(table[MODEL_ID_COLUMN].dropna().unique()) if MODEL_ID_COLUMN in table.columns else []
    known = {"id": str(ids[0])} if len(ids) == 1 else {}
    model = description.get("model")
    stated = model if isinstance(model, dict) else {"id": str(model)} if model else {}
    told = {"synthetic": bool(description.get("synthetic")), "features": bool(description.get("features"))}
    return {"classes": list(classes), **known, **stated, **told}


def _check_ids(table: pd.DataFrame, path: Path) -> None:
    column = "cell_id" if "cell_id" in table.columns else "path"
    doubled = table[column][table[column].duplicated() & table[column].notna()]
    if not doubled.empty:
        raise LymphoscopeError(f"{path}: {column} {doubled.iloc[0]} is in two rows: every cell needs its own")


def _check_numbers(table: pd.DataFrame, classes: tuple[str, ...], path: Path) -> None:
    """Raise LymphoscopeError for a value that is not a number, in a column of numbers."""
    for name in (*_NUMBERS, *(SCORE_PREFIX + one for one in classes)):
        values = table[name] if name in table else pd.Series(dtype=float)
        wrong = pd.to_numeric(values, errors="coerce").isna() & values.notna() & (values != "nan")
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            raise LymphoscopeError(
                f"{path}: row {row + 1} after the header: {name} is {values.iloc[row]!r}, which is not a number"
            )
