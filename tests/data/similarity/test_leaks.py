"""What was planted across the parts of a split is found, and nothing else."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lymphoscope.data import (
    Manifest,
    audit_manifest,
    leaks_between,
    read_source,
    split_folds,
    split_holdout,
    split_leaks,
    subject_groups,
    with_fingerprints,
)
from lymphoscope.data.manifest import manifest_of
from lymphoscope.data.similarity.leaks import LeakCheck, leak_checks, unchecked_reason, without_near_duplicates
from lymphoscope.synthetic.generate import synthesize

REAL = Path(__file__).parents[4] / "shared" / "data"
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
    evaluated = planted[planted["split"] == "test"]
    training = planted[planted["split"] == "train"]
    assert names(leak_checks(evaluated, training)) == ["subjects", "duplicates", "near duplicates"]
    assert unchecked_reason(leak_checks(evaluated, training)) is None
    bare = training[["path", "subject"]]
    assert names(leak_checks(evaluated, bare)) == ["subjects"]
    assert unchecked_reason(leak_checks(evaluated, bare)) == "duplicates and near duplicates could not be compared"
    assert leaks_between(evaluated, bare) == []
    outdated = training.assign(phash="0123456789abcdef" * 4)
    assert names(leak_checks(evaluated, outdated)) == ["subjects", "duplicates"]
    assert names(leak_checks(evaluated.assign(subject=None), training)) == ["duplicates", "near duplicates"]


def names(checks: list[LeakCheck]) -> list[str]:
    return [str(check) for check in checks]


def test_subjects_that_are_missing_in_part_are_counted_and_the_reason_given() -> None:
    evaluated = pd.DataFrame({"path": [f"e{i}" for i in range(64)], "subject": ["1"] * 24 + [None] * 40})
    training = pd.DataFrame({"path": ["a", "b"], "subject": ["2", "3"]})
    checks = leak_checks(evaluated, training)
    assert names(checks) == ["subjects of 24 of 64 cells"]
    assert "40 of 64 cells have no subject" in str(unchecked_reason(checks))
    assert names(leak_checks(training, evaluated)) == ["subjects with 24 of 64 training cells"]


@pytest.mark.parametrize(
    ("known", "new"), [("P02", "p02"), ("P02", "P2"), ("007", "7"), ("007", "7.0"), ("7", "b'007'")]
)
def test_another_spelling_of_a_training_subject_is_a_leak(known: str, new: str) -> None:
    evaluated = pd.DataFrame({"path": ["e"], "subject": [new]})
    training = pd.DataFrame({"path": ["t"], "subject": [known]})
    (leak,) = leaks_between(evaluated, training)
    assert leak.detail == f"training has cells of subject {known}, which may be the same as {new}"


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="needs ../shared/data")
def test_all_official_duplicates_are_named(tmp_path: Path) -> None:
    """The duplicated files of C-NMC, laid out with images that are equal where the official hashes are.

    106 groups: 99 of two subjects, 5 of one, and 2 of the final test, whose subjects are unknown.
    """
    table = pd.read_csv(REAL / "cnmc" / "official_duplicates.csv", dtype=str)
    groups = [[str(tmp_path / path) for path in paths.split("|")] for paths in table["paths"]]
    for number, paths in enumerate(groups):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        for path in paths:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    manifest = with_fingerprints(read_source(f"cnmc:{tmp_path}"))
    subjects = dict(zip(manifest.table["path"], manifest.table["subject"], strict=True))
    across = [paths for paths in groups if len({subjects[path] for path in paths} - {None}) > 1]
    assert (len(groups), len(across)) == (106, 99)

    first = {paths[0] for paths in groups}
    split = ["test" if path in first else "train" for path in manifest.table["path"]]
    leaks = split_leaks(manifest.table.assign(split=split))
    assert {leak.path for leak in leaks if leak.kind == "duplicate"} == first
    findings = audit_manifest(manifest).findings.query("check == 'two-subjects'")
    named = {frozenset(pair) for pair in zip(findings["path"], findings["other_path"], strict=True)}
    assert named == {frozenset(paths) for paths in across}
    joined = dict(zip(manifest.table["path"], subject_groups(manifest), strict=True))
    assert all(len({joined[path] for path in paths}) == 1 for paths in groups)


def test_unreadable_cells_are_not_duplicates(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"")
    cells = [{"path": str(tmp_path / name), "label": "all"} for name in ("a.png", "b.png")]
    table = with_fingerprints(manifest_of(cells, "table")).table.assign(split=["train", "test"])
    assert split_leaks(table) == []
