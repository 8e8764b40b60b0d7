"""Train/test leakage: evaluated cells that the model met in training, as the same file, image or subject.

Works on tables with one row per cell: `path` and, as far as known, `subject`, `sha256`, `phash` and `simhash`.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import pandas as pd

from lymphoscope.data.similarity.perceptual_hash import COPY_DISTANCE, NEAR_DISTANCE, near_pairs_between
from lymphoscope.data.similarity.simhash import SAME_CELL_CORRELATION, simhash_correlation

LeakKind = Literal["duplicate", "near-duplicate", "subject"]

_EARLIER_PARTS = {"test": ("train", "validation"), "validation": ("train",)}
_CHECKS = {"subjects": "subject", "duplicates": "sha256", "near duplicates": "phash"}
"""What is looked for -> the column that it needs."""


class CellLeak(NamedTuple):
    """A leak: `path` is the evaluated cell, `other` the training cell, `detail` one line of how they are related."""

    kind: LeakKind
    path: str
    other: str
    detail: str


class _Pair(NamedTuple):
    """Row numbers of an evaluated and a training cell that are one image."""

    evaluated: int
    training: int
    kind: LeakKind
    detail: str


def leaks_between(evaluated: pd.DataFrame, training: pd.DataFrame) -> list[CellLeak]:
    """List the evaluated cells that occur in training, each once, in their order, with the strongest evidence.

    Evidence is, from the strongest: the same file, a near duplicate, the same subject. Near duplicates are within
    NEAR_DISTANCE bits of 256 and alike in their simhashes; in a table without simhashes, within COPY_DISTANCE bits.
    """
    paths, others = list(evaluated["path"]), list(training["path"])
    pairs = _same_image(evaluated, training)
    leaks = [CellLeak(pair.kind, paths[pair.evaluated], others[pair.training], pair.detail) for pair in pairs]
    strongest: dict[str, CellLeak] = {}
    for leak in (*leaks, *_same_subject(evaluated, training)):
        strongest.setdefault(leak.path, leak)
    return [strongest[path] for path in dict.fromkeys(paths) if path in strongest]


def split_leaks(table: pd.DataFrame) -> list[CellLeak]:
    """List the leaks of a table with `split`: of test into training and validation, of validation into training."""
    leaks = []
    for part, earlier in _EARLIER_PARTS.items():
        leaks += leaks_between(table[table["split"] == part], table[table["split"].isin(earlier)])
    return leaks


def leak_checks(evaluated: pd.DataFrame, training: pd.DataFrame) -> list[str]:
    """List what can be compared between two tables: subjects, duplicates, near duplicates."""
    return [name for name, column in _CHECKS.items() if all(_has(table, column) for table in (evaluated, training))]


def without_near_duplicates(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Take the images of test cells out of training and validation, and those of validation cells out of training.

    The rows stay, with an empty `split`; the second value is their number. `table` is indexed from 0 and has `split`.
    """
    table, before = table.copy(), int(table["split"].notna().sum())
    for part, earlier in _EARLIER_PARTS.items():
        training = table[table["split"].isin(earlier)]
        pairs = _same_image(table[table["split"] == part], training)
        table.loc[training.index[sorted({pair.training for pair in pairs})], "split"] = None
    return table, before - int(table["split"].notna().sum())


def _same_image(evaluated: pd.DataFrame, training: pd.DataFrame) -> list[_Pair]:
    return [*_duplicates(evaluated, training), *_near_duplicates(evaluated, training)]


def _duplicates(evaluated: pd.DataFrame, training: pd.DataFrame) -> Iterator[_Pair]:
    if "sha256" not in evaluated or "sha256" not in training:
        return
    rows: dict[str, list[int]] = {}
    for row, digest in enumerate(training["sha256"]):
        rows.setdefault(digest, []).append(row)
    for row, digest in enumerate(evaluated["sha256"]):
        if pd.notna(digest):
            yield from (_Pair(row, other, "duplicate", "the same file") for other in rows.get(digest, ()))


def _near_duplicates(evaluated: pd.DataFrame, training: pd.DataFrame) -> Iterator[_Pair]:
    if "phash" not in evaluated or "phash" not in training:
        return
    simhashes, other_simhashes = (_column(table, "simhash") for table in (evaluated, training))
    phashes, other_phashes = (_column(table, "phash") for table in (evaluated, training))
    for row, other, bits in near_pairs_between(phashes, other_phashes, NEAR_DISTANCE):
        evidence = _same_cell(simhashes[row], other_simhashes[other], bits)
        if evidence is not None:
            yield _Pair(row, other, "near-duplicate", f"shows the same cell ({evidence})")


def _same_cell(simhash: str | None, other: str | None, bits: int) -> str | None:
    """Why two images within NEAR_DISTANCE bits show one cell; None if they do not."""
    if simhash is None or other is None:
        return f"{bits} of 256 bits differ" if bits <= COPY_DISTANCE else None
    estimate = simhash_correlation(simhash, other)
    return f"estimated correlation {estimate:.2f}" if estimate >= SAME_CELL_CORRELATION else None


def _same_subject(evaluated: pd.DataFrame, training: pd.DataFrame) -> Iterator[CellLeak]:
    cells = training[training["subject"].notna()].drop_duplicates("subject")
    training_paths = dict(zip(cells["subject"], cells["path"], strict=True))
    for path, subject in zip(evaluated["path"], evaluated["subject"], strict=True):
        if subject in training_paths:
            detail = f"training has cells of subject {subject}"
            yield CellLeak("subject", path, training_paths[subject], detail)


def _column(table: pd.DataFrame, name: str) -> list[str | None]:
    return [None if pd.isna(value) else str(value) for value in table[name]] if name in table else [None] * len(table)


def _has(table: pd.DataFrame, name: str) -> bool:
    return name in table and bool(table[name].notna().any())
