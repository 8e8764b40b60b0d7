from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings, strategies as st

from lymphoscope.data.manifest import Manifest, manifest_of
from lymphoscope.data.overview import NO_SUBJECTS_NOTICE, RANDOM_NOTICE
from lymphoscope.data.similarity.fingerprints import with_fingerprints
from lymphoscope.data.sources import read_source
from lymphoscope.data.split import Part, split_folds, split_holdout, stratified_parts
from lymphoscope.errors import LymphoscopeError

REAL = Path(__file__).parents[3] / "shared" / "data"

Cell = tuple[str | None, str | None, str | None]
"""Label, subject, hash (None: one of its own)."""


def known(cells: list[Cell]) -> Manifest:
    rows = [
        {"path": f"/x/{i:04}.png", "label": label, "subject": subject, "sha256": sha or f"own {i}"}
        | {"width": 9, "height": 9, "phash": "0" * 64}
        for i, (label, subject, sha) in enumerate(cells)
    ]
    return manifest_of(rows, "table")


def cohort(blasts: list[int], normals: list[int], shared: list[tuple[int, int]] | None = None) -> Manifest:
    """Subjects B0.. and N0.. with so many cells each; `shared` names blast subjects who have one cell in common."""
    cells: list[Cell] = [("all", f"B{i}", None) for i, n in enumerate(blasts) for _ in range(n)]
    cells += [("hem", f"N{i}", None) for i, n in enumerate(normals) for _ in range(n)]
    for one, other in shared or []:
        cells += [("all", f"B{subject % len(blasts)}", f"shared {one} {other}") for subject in (one, other)]
    return known(cells)


cohorts = st.builds(
    cohort,
    st.lists(st.integers(1, 30), min_size=4, max_size=10),
    st.lists(st.integers(1, 30), min_size=4, max_size=10),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=3),
)


def assert_groups_stay_together(table: pd.DataFrame) -> None:
    """No subject and no file is in two parts, by the raw columns and not by `group`."""
    for owner in ("subject", "sha256", "group"):
        assert (table.groupby(owner)["split"].nunique() == 1).all()


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(cohorts, st.integers(0, 5))
def test_holdout_keeps_groups_together_and_every_class_in_every_part(manifest: Manifest, seed: int) -> None:
    assume(manifest.table.query("label == 'all'")["subject"].nunique() >= 7)
    table = split_holdout(manifest, seed=seed).table
    assert_groups_stay_together(table)
    assert table["split"].notna().all()
    assert (pd.crosstab(table["split"], table["label"]).loc[["train", "validation", "test"]] > 0).all(axis=None)


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(cohorts, st.sampled_from([2, 3]))
def test_folds_test_every_cell_once(manifest: Manifest, folds: int) -> None:
    assume(manifest.table.query("label == 'all'")["subject"].nunique() >= 8)
    dealt = split_folds(manifest, folds, validation=0)
    for number, fold in enumerate(dealt):
        assert_groups_stay_together(fold.table)
        assert ((fold.table["split"] == "test") == (fold.table["fold"] == number)).all()
    tests = pd.concat([(fold.table["split"] == "test").astype(int) for fold in dealt], axis=1)
    assert (tests.sum(axis=1) == 1).all()


def test_folds_take_validation_from_the_training_subjects() -> None:
    for fold in split_folds(cohort([5] * 10, [5] * 10), 5, validation=0.2):
        assert_groups_stay_together(fold.table)
        assert (pd.crosstab(fold.table["split"], fold.table["label"]) > 0).to_numpy().sum() == 6


def test_split_depends_on_the_seed_and_not_on_the_row_order() -> None:
    manifest = cohort([3, 9, 4, 7, 8, 2, 6], [5, 5, 1, 9, 3, 4])
    first = split_holdout(manifest, seed=4)
    pd.testing.assert_frame_equal(split_holdout(manifest, seed=4).table, first.table)
    shuffled = manifest.with_table(manifest.table.sample(frac=1, random_state=0))
    again = split_holdout(shuffled, seed=4).table.set_index("path")["split"]
    assert again.to_dict() == first.table.set_index("path")["split"].to_dict()
    others = [split_holdout(manifest, seed=seed).table["split"].tolist() for seed in range(5, 9)]
    assert any(other != first.table["split"].tolist() for other in others)


def test_new_split_replaces_an_existing_one() -> None:
    manifest = cohort([3] * 5, [3] * 5)
    folds = split_folds(manifest, 2, validation=0)[0]
    table = split_holdout(folds, validation=0).table
    assert "fold" not in table
    assert set(table["split"]) == {"train", "test"}


def test_shares_hold_for_cells_and_for_subjects() -> None:
    table = split_holdout(cohort([10] * 20, [10] * 20), test=0.25, validation=0.2).table
    assert table["split"].value_counts().to_dict() == {"train": 240, "validation": 60, "test": 100}
    assert table.groupby(["split", "label"])["subject"].nunique().tolist() == [5, 5, 12, 12, 3, 3]


def test_random_split_is_marked() -> None:
    manifest = cohort([40] * 3, [20] * 3)
    dealt = split_holdout(manifest, by="random", validation=0)
    assert dealt.table["split"].value_counts().to_dict() == {"train": 144, "test": 36}
    assert RANDOM_NOTICE in dealt.notices
    assert RANDOM_NOTICE in split_folds(manifest, 3, by="random")[1].notices
    assert RANDOM_NOTICE not in split_holdout(manifest).notices


def test_split_without_subjects_is_by_cell_and_marked() -> None:
    cells: list[Cell] = [("all", None, None)] * 110 + [("hem", None, "twice")] * 2 + [("hem", None, None)] * 108
    dealt = split_holdout(known(cells), validation=0)
    assert dealt.notices == (NO_SUBJECTS_NOTICE,)
    assert dealt.table.groupby("label")["split"].value_counts().tolist() == [88, 22, 88, 22]
    assert dealt.table.loc[dealt.table["sha256"] == "twice", "split"].nunique() == 1


def test_cells_without_a_label_are_in_no_part() -> None:
    cells: list[Cell] = [(label, f"{label}{i}", None) for label in ("all", "hem") for i in range(6)]
    dealt = split_holdout(known([*cells, (None, "new", None), (None, "all0", None)]))
    assert dealt.table["split"].isna().tolist() == [False] * 12 + [True] * 2
    assert any(notice.startswith("2 cells without a label") for notice in dealt.notices)
    folds = split_folds(known([*cells, (None, "new", None)]), 3)
    assert all(pd.isna(fold.table["split"].iloc[-1]) and pd.isna(fold.table["fold"].iloc[-1]) for fold in folds)


@pytest.mark.parametrize(
    ("attempt", "says"),
    [
        (lambda: split_holdout(cohort([5], [])), "at least two classes, and there is all"),
        (lambda: split_holdout(known([("all", "1", None), ("hem", "1", None)])), "all cells are of one subject"),
        (lambda: split_holdout(cohort([2, 2, 2], [9])), "class hem has 1 groups"),
        (lambda: split_folds(cohort([2] * 6, [2] * 4), 5), "class hem has 4 groups .* for 5 parts"),
        (lambda: split_folds(cohort([2] * 6, [2] * 2), 2), "class hem has 1 groups .* no validation"),
        (lambda: split_holdout(cohort([2, 2, 2], [2, 2, 2], [(0, 1)])), "class all has 2 groups"),
        (lambda: split_folds(cohort([2] * 6, [2] * 4), 1), "1 folds"),
        (lambda: split_holdout(cohort([2] * 6, [2] * 4), test=1.0), "test 1.0: give a share"),
        (lambda: split_holdout(cohort([2] * 6, [2] * 4), test=0), "test 0: give a share"),
        (lambda: split_holdout(cohort([2] * 6, [2] * 4), validation=-0.1), "validation -0.1: give a share"),
        (lambda: split_holdout(cohort([2] * 6, [2] * 4), by="cell"), "by 'cell' is unknown"),
        (lambda: split_holdout(manifest_of([], "table")), "there is none"),
    ],
)
def test_impossible_split_is_refused_in_one_line(attempt: Callable[[], object], says: str) -> None:
    with pytest.raises(LymphoscopeError, match=says) as caught:
        attempt()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("by", ["subject", "random"])
def test_spellings_of_one_label_or_subject_are_refused(by: Literal["subject", "random"]) -> None:
    cells: list[Cell] = [(label, f"{label}{i}", None) for label in ("all", "hem") for i in range(6)]
    with pytest.raises(LymphoscopeError, match="label 'ALL' and 'all' may be the same label"):
        split_holdout(known([*cells, ("ALL", "x", None)]), by=by)
    table = known([*cells, ("hem", "HEM1", None)])
    if by == "subject":
        with pytest.raises(LymphoscopeError, match="subject 'HEM1' and 'hem1' may be the same subject"):
            split_folds(table, 2, by=by)
    else:
        assert split_holdout(table, by=by).table["split"].notna().all()


def test_classes_that_cannot_be_separated_are_refused() -> None:
    pairs = [("a", "1"), ("b", "1"), ("b", "2"), ("c", "2"), ("c", "3"), ("a", "3")]
    with pytest.raises(LymphoscopeError, match=r"no assignment of whole subjects puts class \w into every part"):
        split_folds(known([(label, subject, None) for label, subject in pairs]), 2, validation=0)


@pytest.fixture(scope="module")
def real_cells() -> Manifest:
    if not REAL.exists():
        pytest.skip("needs ../shared/data")
    return with_fingerprints(read_source(str(REAL / "cnmc")))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_test_part_of_real_cells_excludes_the_three_largest_subjects(real_cells: Manifest, seed: int) -> None:
    table = split_holdout(real_cells, seed=seed).table
    assert (table.groupby(["group"])["split"].nunique() == 1).all()
    held_out = table[table["split"] == "test"]
    blasts = held_out[held_out["label"] == "all"]["subject"].value_counts()
    assert len(blasts) >= 4
    assert not {"5", "2", "11"} & set(blasts.index)
    assert held_out[held_out["label"] == "hem"]["subject"].nunique() >= 2


HOLD_OUT = [Part(0.8, 0.0), Part(0.2, 0.5)]


def deal(counts: list[list[int]], parts: list[Part], seed: int = 0) -> np.ndarray:
    return stratified_parts(np.array(counts), parts, np.random.default_rng(seed))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=3, max_size=12), st.lists(st.integers(1, 60), min_size=3, max_size=12))
def test_every_part_has_every_class_if_there_are_enough_subjects(blasts: list[int], normals: list[int]) -> None:
    counts = [[n, 0] for n in blasts] + [[0, n] for n in normals]
    parts = deal(counts, [Part(0.68, 0.0), Part(0.2, 0.5), Part(0.12, 0.1)])
    for part in range(3):
        assert (np.array(counts)[parts == part].sum(axis=0) > 0).all()


def test_single_cell_groups_are_assigned_exactly_in_proportion() -> None:
    parts = deal([[1, 0]] * 500 + [[0, 1]] * 200, HOLD_OUT)
    assert (parts[:500] == 1).sum() == 100
    assert (parts[500:] == 1).sum() == 40


def test_equal_subjects_are_spread_evenly_over_folds() -> None:
    parts = deal([[10, 0]] * 20 + [[0, 10]] * 10, [Part(0.2, 0.07)] * 5)
    assert np.bincount(parts[:20]).tolist() == [4] * 5
    assert np.bincount(parts[20:]).tolist() == [2] * 5


def test_dominant_subject_is_not_in_the_test_part() -> None:
    counts = [[200, 0], *[[10, 0]] * 20, *[[0, 15]] * 12]
    for seed in range(5):
        assert deal(counts, HOLD_OUT, seed)[0] == 0


def test_dominant_subjects_are_in_different_folds() -> None:
    counts = [*[[100, 0]] * 3, *[[5, 0]] * 12, *[[0, 10]] * 9]
    parts = deal(counts, [Part(1 / 3, 0.07)] * 3)
    assert sorted(parts[:3]) == [0, 1, 2]


def test_subjects_with_every_class_are_assigned_by_share() -> None:
    generator = np.random.default_rng(0)
    counts = generator.integers(5, 15, (30, 8))
    parts = stratified_parts(counts, HOLD_OUT, generator)
    assert (parts == 1).sum() == 6
    assert counts[parts == 1].sum(axis=0) / counts.sum(axis=0) == pytest.approx(0.2, abs=0.05)


def test_same_generator_gives_the_same_assignment() -> None:
    counts = [[n, 0] for n in range(1, 20)] + [[0, n] for n in range(1, 15)]
    assert (deal(counts, HOLD_OUT, 3) == deal(counts, HOLD_OUT, 3)).all()
    assert any((deal(counts, HOLD_OUT, 3) != deal(counts, HOLD_OUT, seed)).any() for seed in range(4, 8))


def test_many_groups_are_assigned_quickly() -> None:
    counts = np.eye(2, dtype=np.int64)[np.arange(50_000) % 2]
    parts = stratified_parts(counts, HOLD_OUT, np.random.default_rng(0))
    assert abs((parts == 1).sum() - 10_000) <= 2


def test_a_part_far_from_the_share_asked_for_is_named() -> None:
    uneven = split_holdout(cohort([60, 60, 2, 2], [60, 60, 2, 2]), test=0.2, validation=0)
    share = (uneven.table["split"] == "test").mean()
    assert share < 0.16 or share > 0.24
    assert [notice for notice in uneven.notices if notice.startswith(f"test has {share:.0%} of the cells, 20% were")]
    even = split_holdout(cohort([10] * 10, [10] * 10), test=0.2, validation=0)
    assert not any("were asked for" in notice for notice in even.notices)
