"""Cells that stand on both sides of a judgement: judged here, and seen in training. Tables in, leaks out.

A table has a row a cell, with `path` and what there is of `subject`, `sha256`, `phash` and `sketch`.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import pandas as pd

from lymphoscope.data.groups import COPY_DISTANCE
from lymphoscope.data.similarity.fingerprints import SAME_CELL, likeness
from lymphoscope.data.similarity.perceptual_hash import NEAR_DISTANCE, near_duplicate_pairs_between

Kind = Literal["duplicate", "near-duplicate", "subject"]

_SEEN_BEFORE = {"test": ("train", "validation"), "validation": ("train",)}
_WHAT = {"duplicate": "duplicates", "near-duplicate": "near duplicates", "subject": "subjects"}


class CellLeak(NamedTuple):
    """A judged cell, `path`, that training had seen: `other` is the cell that it saw, `detail` one line of how."""

    kind: Kind
    path: str
    other: str
    detail: str


class _Twin(NamedTuple):
    """Row numbers of two cells that are one picture."""

    judged: int
    known: int
    kind: Kind
    detail: str


def leaks_between(judged: pd.DataFrame, known: pd.DataFrame) -> list[CellLeak]:
    """The judged cells that are known, each once, in their order: as the same file, as a twin, or by their subject.

    A twin is a near duplicate as `audit` finds it: within NEAR_DISTANCE bits of 256, and alike in the fine look; where
    a table has no sketches, within COPY_DISTANCE bits.
    """
    paths, others = list(judged["path"]), list(known["path"])
    found = [CellLeak(twin.kind, paths[twin.judged], others[twin.known], twin.detail) for twin in _twins(judged, known)]
    strongest: dict[str, CellLeak] = {}
    for leak in (*found, *_same_subject(judged, known)):
        strongest.setdefault(leak.path, leak)
    return [strongest[path] for path in dict.fromkeys(paths) if path in strongest]


def split_leaks(table: pd.DataFrame) -> list[CellLeak]:
    """The leaks of a table with `split`: of the test into training and validation, of the validation into training."""
    return [leak for judged, known in _sides(table) for leak in leaks_between(judged, known)]


def checked_by(judged: pd.DataFrame, known: pd.DataFrame) -> list[str]:
    """What could be looked for between two tables: subjects, duplicates, near duplicates."""
    columns = {"subject": "subject", "duplicate": "sha256", "near-duplicate": "phash"}
    return [_WHAT[kind] for kind, name in columns.items() if all(_has(table, name) for table in (judged, known))]


def without_twins(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Take out of training, and then of validation, the cells that show one which is tested or watched; how many.

    They keep their row, and take no part in the split. `table` is numbered from 0 and has `split`.
    """
    table, before = table.copy(), int(table["split"].notna().sum())
    for part, seen in _SEEN_BEFORE.items():
        known = table[table["split"].isin(seen)]
        twins = _twins(table[table["split"] == part], known)
        table.loc[known.index[sorted({twin.known for twin in twins})], "split"] = None
    return table, before - int(table["split"].notna().sum())


def _sides(table: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    for part, seen in _SEEN_BEFORE.items():
        yield table[table["split"] == part], table[table["split"].isin(seen)]


def _twins(judged: pd.DataFrame, known: pd.DataFrame) -> list[_Twin]:
    return [*_duplicates(judged, known), *_near_duplicates(judged, known)]


def _duplicates(judged: pd.DataFrame, known: pd.DataFrame) -> Iterator[_Twin]:
    if "sha256" not in judged or "sha256" not in known:
        return
    places: dict[str, list[int]] = {}
    for place, digest in enumerate(known["sha256"]):
        places.setdefault(digest, []).append(place)
    for place, digest in enumerate(judged["sha256"]):
        if pd.notna(digest):
            yield from (_Twin(place, other, "duplicate", "one file, byte for byte") for other in places.get(digest, ()))


def _near_duplicates(judged: pd.DataFrame, known: pd.DataFrame) -> Iterator[_Twin]:
    if "phash" not in judged or "phash" not in known:
        return
    ones, others = (_column(table, "sketch") for table in (judged, known))
    for one, other, bits in near_duplicate_pairs_between(
        _column(judged, "phash"), _column(known, "phash"), NEAR_DISTANCE
    ):
        alike = _alike(ones[one], others[other], bits)
        if alike is not None:
            yield _Twin(one, other, "near-duplicate", f"looks like one cell ({alike})")


def _alike(one: str | None, other: str | None, bits: int) -> str | None:
    """How two pictures within NEAR_DISTANCE are one cell; None where they are not."""
    if one is None or other is None:
        return f"{bits} of 256 bits differ" if bits <= COPY_DISTANCE else None
    alike = likeness(one, other)
    return f"likeness {alike:.2f}" if alike >= SAME_CELL else None


def _same_subject(judged: pd.DataFrame, known: pd.DataFrame) -> Iterator[CellLeak]:
    cells = known[known["subject"].notna()].drop_duplicates("subject")
    seen = dict(zip(cells["subject"], cells["path"], strict=True))
    for path, subject in zip(judged["path"], judged["subject"], strict=True):
        if subject in seen:
            yield CellLeak("subject", path, seen[subject], f"training saw cells of subject {subject}")


def _column(table: pd.DataFrame, name: str) -> list[str | None]:
    return [None if pd.isna(value) else str(value) for value in table[name]] if name in table else [None] * len(table)


def _has(table: pd.DataFrame, name: str) -> bool:
    return name in table and bool(table[name].notna().any())
