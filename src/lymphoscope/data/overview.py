"""Summaries and notices for readers of results: which cells there are, and how they were split."""

from typing import Literal

import pandas as pd
from pydantic import Field

from lymphoscope.data.manifest import PARTS, Manifest, has_partial_label
from lymphoscope.strict_model import StrictModel
from lymphoscope.terminal import counted

RANDOM_NOTICE = (
    "RANDOM SPLIT: cells were assigned regardless of their subjects, so cells of one subject are in training and in "
    "test; the scores are too high for new subjects"
)
NO_SUBJECTS_NOTICE = (
    "RANDOM SPLIT: no subjects are known, so the split is cell by cell; cells of one person may be in training "
    "and in test, and the scores may be too high for new people"
)

SplitBy = Literal["subject", "random", "none"]
SplitKind = Literal["none", "folds", "hold-out"]


class SplitSummary(StrictModel):
    """How the cells of a manifest are split."""

    by: SplitBy = Field(description="Whether subjects, or single cells, were assigned to the parts; none if unsplit.")
    kind: SplitKind = Field(description="No split, a cross-validation, or one split.")
    train_subjects: list[str] = Field(description="Subjects with cells in the training part.")
    validation_subjects: list[str] = Field(description="Subjects with cells in the validation part.")
    test_subjects: list[str] = Field(description="Subjects with cells in the test part.")
    cells: dict[str, int] = Field(description="Number of cells of each part.")


class DataSummary(StrictModel):
    """What a report says about its data."""

    source: str = Field(description="The kind of source that the manifest was read from.")
    synthetic: bool = Field(description="Whether the cells were generated.")
    cells: int = Field(description="Number of cells.")
    subjects: int = Field(description="Number of known subjects.")
    classes: dict[str, int] = Field(description="Number of cells with each label.")
    notices: list[str] = Field(description="What a reader must know about the cells and their split.")
    split: SplitSummary = Field(description="How the cells are split.")


def split_by(table: pd.DataFrame) -> SplitBy:
    """Return "subject", "random", or "none" if there is no split, as found in the table itself.

    A split is by subject only if every cell in it has a subject and no subject or group is in two parts, in any fold.
    So a random split cannot lose its mark on the way through a file.
    """
    cells = _split_cells(table)
    if cells.empty:
        return "none"
    if cells["subject"].isna().any():
        return "random"
    return "subject" if _is_disjoint(cells) else "random"


def split_notices(table: pd.DataFrame) -> tuple[str, ...]:
    """Return the notices that every result of this split must show; none if there is no split."""
    if (by := split_by(table)) == "none":
        return ()
    notices = [_random_notice(_split_cells(table))] if by == "random" else []
    in_part = table["split"].notna()
    if without := int((table["label"].isna() & ~in_part).sum()):
        notices.append(f"{counted(without, 'cell')} without a label, in no part of the split")
    if partial := int((has_partial_label(table) & in_part).sum()):
        notices.append(f"{counted(partial, 'cell')} with a partial label, in training only")
    return tuple(notices)


def split_summary(manifest: Manifest) -> SplitSummary:
    """Describe the split for a report: by, kind, subjects and cells of each part."""
    table = _split_cells(manifest.table)
    folds = "fold" in table and bool(table["fold"].notna().any())
    kind: SplitKind = "none" if table.empty else "folds" if folds else "hold-out"
    parts = {part: table[table["split"] == part] for part in PARTS} if kind != "none" else {}
    train, validation, test = (_subjects(parts.get(part, table)) for part in ("train", "validation", "test"))
    return SplitSummary(
        by=split_by(manifest.table),
        kind=kind,
        train_subjects=train,
        validation_subjects=validation,
        test_subjects=test,
        cells={part: len(cells) for part, cells in parts.items()},
    )


def data_summary(manifest: Manifest) -> DataSummary:
    """Describe a manifest for a report: source, counts, notices and split."""
    table = manifest.table
    return DataSummary(
        source=manifest.source,
        synthetic=manifest.source == "synthetic",
        cells=len(table),
        subjects=int(table["subject"].nunique()),
        classes={label: int((table["label"] == label).sum()) for label in manifest.classes},
        notices=list(dict.fromkeys(manifest.notices + split_notices(table))),
        split=split_summary(manifest),
    )


def part_counts(manifest: Manifest) -> pd.DataFrame:
    """Count cells and subjects of each class in each part: columns part, label, cells, subjects."""
    table = _split_cells(manifest.table)
    counted = table.groupby(["split", "label"]).agg(cells=("path", "size"), subjects=("subject", "nunique"))
    present = [part for part in PARTS if part in set(table["split"])]
    return counted.reindex(present, level="split").reset_index().rename(columns={"split": "part"})


def _split_cells(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["split"].notna()] if "split" in table else table.iloc[:0]


def _is_disjoint(cells: pd.DataFrame) -> bool:
    """Return whether no subject or group is in two parts, or tested in two folds."""
    owners = [cells[name] for name in ("subject", "group") if name in cells]
    parts = [cells[name] for name in ("split", "fold") if name in cells]
    return all((part.groupby(owner).nunique() <= 1).all() for owner in owners for part in parts)


def _random_notice(cells: pd.DataFrame) -> str:
    unknown = int(cells["subject"].isna().sum())
    if unknown == len(cells):
        return NO_SUBJECTS_NOTICE
    if not _is_disjoint(cells):
        return RANDOM_NOTICE
    return (
        f"RANDOM SPLIT in part: {unknown} of {len(cells)} cells have no subject, and may be of people in another part"
    )


def _subjects(cells: pd.DataFrame) -> list[str]:
    return sorted(cells["subject"].dropna().unique())
