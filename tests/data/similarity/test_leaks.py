"""What was planted across the parts of a split is found, and nothing else."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lymphoscope.data import Manifest, leaks_between, split_folds, split_holdout, split_leaks, with_fingerprints
from lymphoscope.data.manifest import manifest_of
from lymphoscope.data.similarity.leaks import leak_checks, without_near_duplicates
from lymphoscope.synthetic.generate import synthesize

CELLS = 20


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Synthetic cells, the first of each subject's half tested, with 3 copies and 2 near copies in training."""
    folder = tmp_path_factory.mktemp("leaks")
    cells = synthesize(folder / "cells", subjects=10, cells_per_subject=6, fields=0, faults=False, size=150).table
    names = sorted(cells["subject"].unique())
    tested = cells[cells["subject"].isin([*names[:2], *names[5:7]])].assign(split="test")
    trained = cells[~cells["subject"].isin(tested["subject"])].assign(split="train")
    rows = []
    for place, (_, cell) in enumerate(tested.iloc[::5].iterrows()):
        copy = folder / f"copy_{place}.png"
        pixels = np.asarray(Image.open(cell["path"]).convert("RGB"))
        if place < 3:
            copy.write_bytes(Path(cell["path"]).read_bytes())
        else:
            Image.fromarray(np.clip(pixels * 1.02, 0, 255).astype(np.uint8)).save(copy.with_suffix(".jpg"), quality=90)
            copy = copy.with_suffix(".jpg")
        rows.append({"path": str(copy), "label": cell["label"], "subject": f"other{place}", "split": "train"})
    table = pd.concat([tested, trained])[["path", "label", "subject", "split"]]
    return with_fingerprints(Manifest(pd.concat([table, pd.DataFrame(rows)]), "table")).table


def test_planted_copies_are_found_once_and_nothing_else(planted: pd.DataFrame) -> None:
    found = split_leaks(planted)
    assert [leak.kind for leak in found].count("duplicate") == 3
    assert [leak.kind for leak in found].count("near-duplicate") == 2
    assert len(found) == 5
    tested = planted[planted["split"] == "test"]
    assert [leak.path for leak in found] == tested["path"].iloc[::5].tolist()
    assert {Path(leak.other).stem for leak in found} == {f"copy_{place}" for place in range(5)}


def test_shared_subject_leaks_with_all_of_its_cells(planted: pd.DataFrame) -> None:
    name = planted["subject"].iloc[0]
    moved = planted.assign(split=planted["split"].where(planted["path"] != planted["path"].iloc[1], "train"))
    leaks = split_leaks(moved)
    kinds = {leak.path: leak.kind for leak in leaks}
    own = moved[(moved["subject"] == name) & (moved["split"] == "test")]["path"]
    # The first and the sixth have copies, and the strongest evidence is named.
    assert [kinds[path] for path in own] == ["duplicate", *["subject"] * 3, "duplicate"]
    assert f"subject {name}" in next(leak.detail for leak in leaks if leak.kind == "subject")


def test_near_duplicates_of_test_cells_can_be_removed_from_training(planted: pd.DataFrame) -> None:
    kept, number = without_near_duplicates(planted)
    assert number == 5
    assert split_leaks(kept) == []
    assert (kept["split"] == "test").sum() == (planted["split"] == "test").sum()


@pytest.mark.parametrize("by", ["subject", "random"])
def test_own_splits_have_no_near_duplicates_across_parts(planted: pd.DataFrame, by: str) -> None:
    manifest = Manifest(planted.drop(columns="split"), "table")
    parts = [split_holdout(manifest, by=by), *split_folds(manifest, 3, validation=0, by=by)]  # type: ignore[arg-type]
    for part in parts:
        kinds = {leak.kind for leak in split_leaks(part.table)}
        assert kinds <= ({"subject"} if by == "random" else set())
    assert all(fold.table["fold"].notna().all() for fold in parts[1:])


def test_without_fingerprints_only_subjects_are_compared(planted: pd.DataFrame) -> None:
    judged = planted[planted["split"] == "test"]
    known = planted[planted["split"] == "train"]
    assert leak_checks(judged, known) == ["subjects", "duplicates", "near duplicates"]
    bare = known[["path", "subject"]]
    assert leak_checks(judged, bare) == ["subjects"]
    assert leaks_between(judged, bare) == []
    # A coarse look alone is trusted only where it is all but the same.
    coarse = known.drop(columns="simhash")
    assert [leak.kind for leak in leaks_between(judged, coarse)].count("near-duplicate") == 2
    nobody = judged.assign(subject=None)
    assert leak_checks(nobody, known) == ["duplicates", "near duplicates"]


def test_unreadable_cells_are_not_duplicates(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"")
    cells = [{"path": str(tmp_path / name), "label": "all"} for name in ("a.png", "b.png")]
    table = with_fingerprints(manifest_of(cells, "table")).table.assign(split=["train", "test"])
    assert split_leaks(table) == []
