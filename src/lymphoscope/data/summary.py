"""What a reader of results must know of the cells and of how they were split."""

from typing import Any

import pandas as pd

from lymphoscope.data.manifest import PARTS, Manifest

RANDOM_NOTICE = (
    "RANDOM SPLIT: cells were dealt without regard to subjects, so a subject's cells stand in training and in test; "
    "the scores are too high for new subjects"
)
NO_SUBJECTS_NOTICE = (
    "RANDOM SPLIT: no subjects are known, so the split is cell by cell; a person's cells may stand in training "
    "and in test, and the scores may be too high for new people"
)


def split_by(table: pd.DataFrame) -> str:
    """ "subject", "random", or "none" where there is no split, told from the table itself, whoever split it.

    It is by subject only where every cell that takes part has one and no subject and no group is in two parts, in
    any fold. So a mark of a random split cannot be lost on the way through a file.
    """
    cells = _taking_part(table)
    if cells.empty:
        return "none"
    if cells["subject"].isna().any():
        return "random"
    return "subject" if _apart(cells) else "random"


def split_notices(table: pd.DataFrame) -> tuple[str, ...]:
    """What must be said on the face of anything that used this split; nothing where there is none."""
    if (by := split_by(table)) == "none":
        return ()
    notices = [_random_notice(_taking_part(table))] if by == "random" else []
    if without := int(table["label"].isna().sum()):
        notices.append(f"{without} cells without a label take no part in the split")
    return tuple(notices)


def split_summary(manifest: Manifest) -> dict[str, Any]:
    """How the cells are split: by, kind, subjects and cells of each part, as the report shows it."""
    table = _taking_part(manifest.table)
    folds = "fold" in table and bool(table["fold"].notna().any())
    kind = "none" if table.empty else "folds" if folds else "hold-out"
    parts = {part: table[table["split"] == part] for part in PARTS} if kind != "none" else {}
    return {
        "by": split_by(manifest.table),
        "kind": kind,
        **{f"{part}_subjects": _subjects(parts.get(part, table)) for part in PARTS},
        "cells": {part: len(cells) for part, cells in parts.items()},
    }


def data_summary(manifest: Manifest) -> dict[str, Any]:
    """Source, counts, notices and split of a manifest, as the report shows them; plain JSON values."""
    table = manifest.table
    return {
        "source": manifest.source,
        "synthetic": manifest.source == "synthetic",
        "cells": len(table),
        "subjects": int(table["subject"].nunique()),
        "classes": {label: int((table["label"] == label).sum()) for label in manifest.classes},
        "notices": list(dict.fromkeys(manifest.notices + split_notices(table))),
        "split": split_summary(manifest),
    }


def part_counts(manifest: Manifest) -> pd.DataFrame:
    """Cells and subjects of each class in each part: columns part, label, cells, subjects."""
    table = _taking_part(manifest.table)
    counted = table.groupby(["split", "label"]).agg(cells=("path", "size"), subjects=("subject", "nunique"))
    present = [part for part in PARTS if part in set(table["split"])]
    return counted.reindex(present, level="split").reset_index().rename(columns={"split": "part"})


def _taking_part(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["split"].notna()] if "split" in table else table.iloc[:0]


def _apart(cells: pd.DataFrame) -> bool:
    """Whether no subject and no group is in two parts, or test in two folds."""
    owners = [cells[name] for name in ("subject", "group") if name in cells]
    parts = [cells[name] for name in ("split", "fold") if name in cells]
    return all((part.groupby(owner).nunique() <= 1).all() for owner in owners for part in parts)


def _random_notice(cells: pd.DataFrame) -> str:
    unknown = int(cells["subject"].isna().sum())
    if unknown == len(cells):
        return NO_SUBJECTS_NOTICE
    if not _apart(cells):
        return RANDOM_NOTICE
    return (
        f"RANDOM SPLIT in part: {unknown} of {len(cells)} cells have no subject, and may be of people in another part"
    )


def _subjects(cells: pd.DataFrame) -> list[str]:
    return sorted(cells["subject"].dropna().unique())
