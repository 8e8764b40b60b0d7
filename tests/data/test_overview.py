import json
from typing import Any

import pytest

from lymphoscope.data.manifest import Manifest, manifest_of
from lymphoscope.data.overview import (
    NO_SUBJECTS_NOTICE,
    RANDOM_NOTICE,
    DataSummary,
    data_summary,
    part_counts,
    split_by,
    split_notices,
    split_summary,
)


def split_cells(*cells: tuple[str, str | None, str | None], **columns: list[Any]) -> Manifest:
    """Cells as label, subject, part."""
    rows = [
        {"path": f"/x/{i}.png", "label": label, "subject": subject, "split": part}
        for i, (label, subject, part) in enumerate(cells)
    ]
    manifest = manifest_of(rows, "synthetic", ("counts differ",))
    return manifest.with_table(manifest.table.assign(**columns))


APART = split_cells(("a", "1", "train"), ("a", "1", "train"), ("b", "2", "validation"), ("a", "3", "test"))
LEAKING = split_cells(("a", "1", "train"), ("a", "1", "test"))


def test_split_by_subject_is_recognised_from_the_table() -> None:
    assert split_by(APART.table) == "subject"
    assert split_notices(APART.table) == ()


@pytest.mark.parametrize(
    ("manifest", "notice"),
    [
        (LEAKING, RANDOM_NOTICE),
        (split_cells(("a", None, "train"), ("a", None, "test")), NO_SUBJECTS_NOTICE),
        (split_cells(("a", "1", "train"), ("a", None, "test")), "RANDOM SPLIT in part: 1 of 2"),
        (split_cells(("a", "1", "train"), ("a", "1", "test"), ("a", None, "test")), RANDOM_NOTICE),
        (split_cells(("a", "20", "train"), ("a", "21", "test"), group=["20+21"] * 2), RANDOM_NOTICE),
        (split_cells(("a", "1", "train"), ("a", "1", "train"), fold=[0, 1]), RANDOM_NOTICE),
    ],
)
def test_leaking_split_is_marked_random(manifest: Manifest, notice: str) -> None:
    assert split_by(manifest.table) == "random"
    assert any(one.startswith(notice) for one in split_notices(manifest.table))


def test_table_without_split_has_no_notice() -> None:
    bare = manifest_of([{"path": "/x", "label": None}], "folders")
    assert split_by(bare.table) == "none"
    assert split_notices(bare.table) == ()
    empty: list[str] = []
    subjects = {f"{part}_subjects": empty for part in ("train", "validation", "test")}
    assert split_summary(bare).model_dump() == {"by": "none", "kind": "none", **subjects, "cells": {}}


def test_split_summary_lists_subjects_of_each_part() -> None:
    assert split_summary(APART).model_dump() == {
        "by": "subject",
        "kind": "hold-out",
        "train_subjects": ["1"],
        "validation_subjects": ["2"],
        "test_subjects": ["3"],
        "cells": {"train": 2, "validation": 1, "test": 1},
    }


def test_folds_are_described_as_folds() -> None:
    assert split_summary(split_cells(("a", "1", "train"), ("a", "2", "test"), fold=[1, 0])).kind == "folds"


def test_data_summary_is_json_and_marks_synthetic_cells() -> None:
    summary = data_summary(LEAKING)
    assert DataSummary.model_validate_json(json.dumps(summary.model_dump(mode="json"), allow_nan=False)) == summary
    assert summary.synthetic
    assert (summary.source, summary.cells, summary.subjects) == ("synthetic", 2, 1)
    assert summary.classes == {"a": 2}
    assert summary.notices == ["counts differ", RANDOM_NOTICE]
    assert summary.split.by == "random"


def test_cells_and_subjects_are_counted_by_part_in_order() -> None:
    counted = part_counts(APART)
    assert counted["part"].tolist() == ["train", "validation", "test"]
    assert counted[["label", "cells", "subjects"]].to_numpy().tolist() == [["a", 2, 1], ["b", 1, 1], ["a", 1, 1]]
