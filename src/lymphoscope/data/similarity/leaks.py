"""Train/test leakage: evaluated cells that the model met in training, as the same file, image or subject.

Works on tables with one row per cell: `path` and, as far as known, `subject` and the columns of a fingerprint.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import pandas as pd

from lymphoscope.data.identity import name_key
from lymphoscope.data.manifest import HASH_COLUMNS

LeakKind = Literal["duplicate", "near-duplicate", "subject"]

_EARLIER_PARTS = {"test": ("train", "validation"), "validation": ("train",)}


class CellLeak(NamedTuple):
    """A leak: `path` is the evaluated cell, `other` the training cell, `detail` one line of how they are related."""

    kind: LeakKind
    path: str
    other: str
    detail: str


class LeakCheck(NamedTuple):
    """A kind of leak that was looked for, and in how many of the evaluated and of the training cells it could be."""

    name: str
    evaluated: int
    evaluated_cells: int
    training: int
    training_cells: int

    @property
    def is_complete(self) -> bool:
        """Whether all cells could be compared."""
        return self.evaluated == self.evaluated_cells and self.training == self.training_cells

    def __str__(self) -> str:
        """For example "subjects", or "subjects of 24 of 64 cells"."""
        text = self.name
        if self.evaluated < self.evaluated_cells:
            text += f" of {self.evaluated} of {self.evaluated_cells} cells"
        if self.training < self.training_cells:
            text += f" with {self.training} of {self.training_cells} training cells"
        return text


class _Pair(NamedTuple):
    """Row numbers of an evaluated and a training cell that are one image."""

    evaluated: int
    training: int
    kind: LeakKind
    detail: str


def leaks_between(evaluated: pd.DataFrame, training: pd.DataFrame) -> list[CellLeak]:
    """List the evaluated cells that occur in training, each once, in their order, with the strongest evidence.

    Evidence is, from the strongest: the same file, an image of the same cell (`matching`), the same subject. Subjects
    are compared by their keys, so another spelling of a training subject is a leak too.
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


def leak_checks(evaluated: pd.DataFrame, training: pd.DataFrame) -> list[LeakCheck]:
    """List what can be compared between two tables: subjects, duplicates, near duplicates.

    A file without a hash could not be read, so it neither was trained on nor is evaluated: it is not missing.
    """
    checks = []
    tables = evaluated, training
    counts = [int(table["subject"].notna().sum()) if "subject" in table else 0 for table in tables]
    if all(counts):
        checks.append(LeakCheck("subjects", counts[0], len(evaluated), counts[1], len(training)))
    if all("sha256" in table and table["sha256"].notna().any() for table in tables):
        checks.append(LeakCheck("duplicates", *_all_of(*tables)))
    if all(_has_perceptual_hashes(table) for table in tables):
        checks.append(LeakCheck("near duplicates", *_all_of(*tables)))
    return checks


def unchecked_reason(checks: list[LeakCheck]) -> str | None:
    """Return why leaks cannot be ruled out after these checks; None if all ran on all cells."""
    names = [check.name for check in checks]
    reasons = [] if "subjects" in names else ["no subjects are known of these cells"]
    if missing := [name for name in ("duplicates", "near duplicates") if name not in names]:
        reasons.append(f"{' and '.join(missing)} could not be compared")
    for check in checks:
        for count, cells, kind in (
            (check.evaluated, check.evaluated_cells, "cells"),
            (check.training, check.training_cells, "training cells"),
        ):
            if count < cells:
                reasons.append(f"{cells - count} of {cells} {kind} have no subject")
    return "; ".join(reasons) or None


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


def _all_of(evaluated: pd.DataFrame, training: pd.DataFrame) -> tuple[int, int, int, int]:
    return len(evaluated), len(evaluated), len(training), len(training)


def _has_perceptual_hashes(table: pd.DataFrame) -> bool:
    if "phash" not in table:
        return False
    from lymphoscope.data.similarity.matching import is_current_hash

    return bool(table["phash"].map(is_current_hash).any())


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
    if not all(any(name in table for name in HASH_COLUMNS) for table in (evaluated, training)):
        return
    from lymphoscope.data.similarity.matching import matching_cells_between  # here: subjects need no hashes

    for match in matching_cells_between(evaluated, training):
        yield _Pair(match.row, match.other, "near-duplicate", f"shows the same cell ({match.detail})")


def _same_subject(evaluated: pd.DataFrame, training: pd.DataFrame) -> Iterator[CellLeak]:
    cells = training[training["subject"].notna()].drop_duplicates("subject")
    by_key: dict[str, tuple[str, str]] = {}
    for subject, path in zip(cells["subject"], cells["path"], strict=True):
        by_key.setdefault(name_key(subject), (subject, path))
    for path, subject in zip(evaluated["path"], evaluated["subject"], strict=True):
        if pd.notna(subject) and (match := by_key.get(name_key(subject))):
            detail = f"training has cells of subject {match[0]}"
            detail += "" if match[0] == subject else f", which may be the same as {subject}"
            yield CellLeak("subject", path, match[1], detail)
