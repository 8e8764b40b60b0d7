from typing import Any

import numpy as np
import pandas as pd
import pytest

from lymphoscope.data.similarity.duplicates import exact_duplicates, near_duplicates

GREY = np.random.default_rng(0).integers(10, 250, (64, 64), dtype=np.uint8)
STRANGER = np.random.default_rng(1).integers(10, 250, (64, 64), dtype=np.uint8)


def cells(*rows: dict[str, Any]) -> pd.DataFrame:
    """Cells a, b, c.. of one label and subject unless told otherwise."""
    same = {"label": "all", "subject": "1", "sha256": None, "phash": None}
    table = pd.DataFrame([same | {"path": f"/{'abcdef'[i]}"} | row for i, row in enumerate(rows)], dtype=object)
    return table.where(table.notna(), None)


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({"subject": "2"}, [("two-subjects", "error", "the same file under two subjects (1, 2)")]),
        ({"label": "hem"}, [("two-labels", "error", "the same file under two labels (all, hem)")]),
        ({"subject": None}, [("duplicate", "warning", "the same file twice")]),
        ({}, [("duplicate", "warning", "the same file twice")]),
    ],
)
def test_repeated_file_is_found(other: dict[str, Any], found: list[tuple[str, str, str]]) -> None:
    table = cells({"sha256": "x"}, {"sha256": "y"}, {"sha256": "x"} | other, {}, {})
    findings = list(exact_duplicates(table))
    assert [(one.check, one.severity, one.detail) for one in findings] == found
    assert {(one.path, one.other_path) for one in findings} == {("/a", "/c")}


def test_every_difference_is_a_separate_finding() -> None:
    table = cells({"sha256": "x"}, {"sha256": "x", "subject": "2", "label": "hem"}).assign(split=["train", "test"])
    assert [one.check for one in exact_duplicates(table)] == ["two-labels", "two-subjects", "split-cell"]


def test_each_further_copy_is_reported_with_the_first() -> None:
    findings = list(exact_duplicates(cells(*[{"sha256": "x"}] * 3)))
    assert [(one.path, one.other_path) for one in findings] == [("/a", "/b"), ("/a", "/c")]


def test_near_duplicates_need_hash_and_correlation() -> None:
    near, far = f"{3:064x}", "f" * 64
    table = cells(
        *({"sha256": name, "phash": phash} for name, phash in zip("abcd", [near, near, near, far], strict=True))
    )
    found = list(near_duplicates(table, [GREY, GREY, STRANGER, GREY], 0))
    assert [(one.check, one.severity, one.path, one.other_path) for one in found] == [
        ("near-duplicate", "notice", "/a", "/b")
    ]
    assert found[0].detail == "show the same cell (correlation 1.00)"


def test_near_duplicates_that_differ_are_warnings() -> None:
    table = cells({"sha256": "a", "phash": f"{7:064x}"}, {"sha256": "b", "phash": f"{6:064x}", "subject": "2"})
    (found,) = near_duplicates(table, [GREY, GREY], 1)
    assert found.severity == "warning"
    assert found.detail == "show the same cell (correlation 1.00) under two subjects (1, 2)"
    assert list(near_duplicates(table, [GREY, GREY], 0)) == []


def test_identical_and_unreadable_files_are_not_near_duplicates() -> None:
    phash = f"{1:064x}"
    table = cells({"sha256": "a", "phash": phash}, {"sha256": "a", "phash": phash}, {"phash": None})
    assert list(near_duplicates(table, [GREY, GREY, None], 256)) == []
