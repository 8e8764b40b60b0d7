from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lymphoscope.data.similarity.duplicates import exact_duplicates, near_duplicates
from lymphoscope.data.similarity.matching import NEAR_DISTANCE, hash_image


def cells(*rows: dict[str, Any]) -> pd.DataFrame:
    """Cells a, b, c.. with one label and one subject by default."""
    same = {"label": "all", "subject": "1", "sha256": None, "phash": None, "simhash": None, "window_hash": None}
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


def image(seed: int) -> np.ndarray:
    rough = np.random.default_rng(seed).integers(60, 200, (12, 12, 3), dtype=np.uint8)
    pixels = np.array(Image.fromarray(rough).resize((120, 120), Image.Resampling.BICUBIC))
    down, right = np.mgrid[:120, :120] - 60
    pixels[down**2 + right**2 > 45**2] = 0
    return pixels


def hashed(seed: int, **values: object) -> dict[str, object]:
    return {"sha256": str(values), **hash_image(image(seed))._asdict(), **values}


def test_near_duplicates_are_notices_if_nothing_differs() -> None:
    found = list(near_duplicates(cells(hashed(0), hashed(1), hashed(0, sha256="b")), NEAR_DISTANCE))
    assert [(one.check, one.severity, one.path, one.other_path) for one in found] == [
        ("near-duplicate", "notice", "/a", "/c")
    ]
    assert found[0].detail == "show the same cell (estimated correlation 1.00)"


def test_near_duplicates_that_differ_are_warnings() -> None:
    (found,) = near_duplicates(cells(hashed(0), hashed(0, subject="2")), NEAR_DISTANCE)
    assert found.severity == "warning"
    assert found.detail == "show the same cell (estimated correlation 1.00) under two subjects (1, 2)"


def test_identical_and_unreadable_files_are_not_near_duplicates() -> None:
    table = cells(hashed(0, sha256="a"), hashed(0, sha256="a"), {"phash": None})
    assert list(near_duplicates(table, NEAR_DISTANCE)) == []
