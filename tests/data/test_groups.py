from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from lymphoscope.data.groups import subject_groups
from lymphoscope.data.manifest import Manifest, manifest_of
from lymphoscope.data.sources import read_source

REAL = Path(__file__).parents[3] / "shared" / "data"
FLAT = "0" * 64

subjects_and_hashes = st.lists(
    st.tuples(st.sampled_from(["1", "2", "3", "4", "5", None]), st.sampled_from(["a", "b", "c", "d", "e", None])),
    min_size=1,
    max_size=14,
)


def known(cells: list[tuple[str | None, str | None]]) -> Manifest:
    # A hash of None is one that no other cell has: nothing is left to be read from a file.
    rows = [
        {"path": f"/x/{i}.png", "subject": subject, "sha256": sha or f"own {i}", "phash": FLAT, "width": 9, "height": 9}
        for i, (subject, sha) in enumerate(cells)
    ]
    return manifest_of(rows, "table")


def slow_groups(cells: list[tuple[str | None, str | None]]) -> set[frozenset[int]]:
    """Merge until nothing merges: cells of one subject, or of one hash."""
    groups = [{i} for i in range(len(cells))]

    def touch(one: set[int], other: set[int]) -> bool:
        return any(
            (cells[i][0] is not None and cells[i][0] == cells[j][0])
            or (cells[i][1] is not None and cells[i][1] == cells[j][1])
            for i in one
            for j in other
        )

    while True:
        pair = next(((a, b) for a in groups for b in groups if a is not b and touch(a, b)), None)
        if pair is None:
            return {frozenset(group) for group in groups}
        groups = [group for group in groups if group is not pair[0] and group is not pair[1]] + [pair[0] | pair[1]]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(subjects_and_hashes)
def test_groups_are_the_connected_components(cells: list[tuple[str | None, str | None]]) -> None:
    groups = subject_groups(known(cells))
    assert {frozenset(own.index) for _, own in groups.groupby(groups)} == slow_groups(cells)


def test_group_is_named_by_its_subjects() -> None:
    groups = subject_groups(known([("20", "a"), ("21", "a"), ("51", None), (None, "b"), (None, "b"), (None, None)]))
    assert groups.tolist() == ["20+21", "20+21", "51", "cell 3.png", "cell 3.png", "cell 5.png"]


def cell_on_black(seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    rough = Image.fromarray(generator.integers(60, 200, (12, 12, 3), dtype=np.uint8))
    down, right = np.mgrid[:120, :120] - 60
    cell = np.array(rough.resize((120, 120), Image.Resampling.BICUBIC))
    cell[down**2 + right**2 > 45**2] = 0
    return cell


def test_one_image_in_two_files_joins_subjects(tmp_path: Path) -> None:
    pixels = cell_on_black(0)
    touched = pixels.copy()
    touched[60, 14:20] = 0
    pictures = {"a": pixels, "b": touched, "c": cell_on_black(1)}
    for name, picture in pictures.items():
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    rows = [{"path": str(tmp_path / f"{name}.png"), "subject": name} for name in pictures]
    assert subject_groups(manifest_of(rows, "table")).tolist() == ["a+b", "a+b", "c"]


def test_unreadable_files_join_no_subjects(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.png").touch()
    rows = [{"path": str(tmp_path / f"{name}.png"), "subject": name} for name in "ab"]
    assert subject_groups(manifest_of(rows, "table")).tolist() == ["a", "b"]


@pytest.mark.skipif(not REAL.exists(), reason="needs ../shared/data")
def test_cnmc_subjects_who_share_cells_are_found() -> None:
    manifest = read_source(str(REAL / "cnmc"))
    groups = subject_groups(manifest.with_table(manifest.table.query("label == 'hem'")))
    assert {name for name in groups if "+" in name} == {"H10+H3", "H2+H6"}
