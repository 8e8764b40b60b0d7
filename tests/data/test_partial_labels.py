"""Cells with possible labels: how they are read, and that they are in training only, and only where asked."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from lymphoscope.data import (
    Manifest,
    audit_manifest,
    read_manifest,
    split_folds,
    split_holdout,
    without_unusable_labels,
    write_manifest,
)
from lymphoscope.data.partial_labels import join_labels, possible_classes, possible_labels
from lymphoscope.errors import LymphoscopeError

NAMES = st.text(st.characters(codec="ascii", exclude_characters="|"), min_size=1).filter(
    lambda name: name == name.strip()
)


def cells(*partial: dict[str, object], subjects: int = 6) -> Manifest:
    """Three cells of each of `subjects` subjects of the classes all and hem, and the cells of `partial`."""
    rows: list[dict[str, object]] = [
        {"path": f"/x/{label}{subject}_{cell}", "label": label, "subject": f"{label}{subject}"}
        for label in ("all", "hem")
        for subject in range(subjects)
        for cell in range(3)
    ]
    rows += [
        {"path": f"/x/partial{number}", "possible_labels": "all|hem", **cell} for number, cell in enumerate(partial)
    ]
    table = pd.DataFrame(rows, columns=["path", "label", "subject", "possible_labels", "sha256"])
    return Manifest(table.assign(sha256=table["sha256"].fillna(table["path"])), "table")


def parts(manifest: Manifest) -> list[str | None]:
    """The parts of the cells with a partial label."""
    table = manifest.table
    return [None if pd.isna(part) else part for part in table.loc[table["label"].isna(), "split"]]


@given(st.lists(NAMES, min_size=1, max_size=5))
def test_joined_labels_are_read_back(names: list[str]) -> None:
    assert possible_labels(join_labels(names)) == names


def test_column_is_read_cleaned_and_written(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("path,label,possible_labels\na,all,\nb,hem,all|hem\nc,, all | hem \nd,,\n")
    manifest = read_manifest(path)
    assert manifest.table["possible_labels"].tolist() == [None, "all|hem", "all | hem", None]
    assert manifest.classes == ["all", "hem"]
    write_manifest(manifest, path)
    assert read_manifest(path).table["possible_labels"].tolist() == manifest.table["possible_labels"].tolist()
    known = possible_classes(manifest.table.iloc[:3], ["all", "hem", "other"])
    assert known is not None
    assert known.tolist() == [[True, False, False], [False, True, False], [True, True, False]]
    assert possible_classes(manifest.table.iloc[:2], ["all", "hem"]) is None


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("a,,hem", "row 1 after the header has possible_labels that are not two or more names"),
        ("a,,hem|hem", "not two or more names"),
        ("a,,|", "not two or more names"),
        ("a,,hem||all", "not two or more names"),
        ("a,mono,hem|all", "row 1 after the header has a label that is not among its possible_labels"),
        ("a,,hem|all\na,,hem|mono", r"rows 1, 2 after the header have the same path with possible_labels hem\|all and"),
    ],
)
def test_invalid_sets_are_refused_in_one_line(tmp_path: Path, row: str, says: str) -> None:
    (tmp_path / "m.csv").write_text(f"path,label,possible_labels\n{row}\nb,hem,\n")
    with pytest.raises(LymphoscopeError, match=says) as caught:
        read_manifest(tmp_path / "m.csv")
    assert "\n" not in str(caught.value)


def test_lists_of_names_are_refused_in_one_line(tmp_path: Path) -> None:
    table = pd.DataFrame({"path": ["a", "b"], "label": ["all", None], "possible_labels": [None, ["all", "hem"]]})
    table.to_parquet(tmp_path / "m.parquet")
    with pytest.raises(LymphoscopeError, match="row 2 after the header has possible_labels that are not two or more"):
        read_manifest(tmp_path / "m.parquet")


def test_unknown_possible_label_is_refused_where_it_is_used_and_found_by_the_audit() -> None:
    manifest = cells({"possible_labels": "all|ham"})
    says = r"partial0: its possible label 'ham' is no class of the data \(all, hem\)"
    with pytest.raises(LymphoscopeError, match=says):
        split_holdout(manifest, partial_labels=True)
    with pytest.raises(LymphoscopeError, match=says):
        without_unusable_labels(split_holdout(manifest), partial_labels=True)
    assert parts(split_holdout(manifest)) == [None]
    findings = audit_manifest(manifest).findings
    found = findings[findings["check"] == "possible-labels"]
    assert found[["severity", "path", "detail"]].to_numpy().tolist() == [
        ["warning", "/x/partial0", "its possible label ham is the label of no cell"]
    ]


def test_partial_labels_change_no_part_of_the_other_cells() -> None:
    plain = split_holdout(cells()).table["split"]
    manifest = cells({}, {"subject": "new"})
    without = split_holdout(manifest)
    assert parts(without) == [None, None]
    assert "2 cells without a label, in no part of the split" in without.notices
    with_partial = split_holdout(manifest, partial_labels=True)
    assert parts(with_partial) == ["train", "train"]
    assert "2 cells with a partial label, in training only" in with_partial.notices
    assert not any("without a label" in notice for notice in with_partial.notices)
    for table in (without.table, with_partial.table):
        assert table["split"].iloc[: len(plain)].tolist() == plain.tolist()


def test_cells_of_held_out_subjects_and_images_of_held_out_cells_are_left_out() -> None:
    plain = split_holdout(cells()).table
    of_part = {part: plain[plain["split"] == part].iloc[0] for part in ("train", "validation", "test")}
    same_subject = [{"subject": cell["subject"]} for cell in of_part.values()]
    same_file = [{"sha256": cell["sha256"]} for cell in of_part.values()]
    dealt = split_holdout(cells(*same_subject, *same_file), partial_labels=True)
    assert parts(dealt) == ["train", None, None, "train", None, None]


def test_images_of_held_out_cells_are_left_out_of_a_random_split() -> None:
    plain = split_holdout(cells(), by="random").table
    of_part = [plain.loc[plain["split"] == part, "sha256"].iloc[0] for part in ("train", "validation", "test")]
    manifest = cells(*({"sha256": name} for name in of_part))
    dealt = split_holdout(manifest, by="random", partial_labels=True)
    assert parts(dealt) == ["train", None, None]
    assert "left out of training: 2 images of held-out cells" in dealt.notices


def test_folds_have_partial_labels_in_training_only() -> None:
    subject = cells().table["subject"].iloc[0]
    folds = split_folds(cells({}, {"subject": subject}), 3, partial_labels=True)
    assert [parts(fold)[0] for fold in folds] == ["train"] * 3
    for fold in folds:
        own = fold.table.loc[fold.table["subject"] == subject, "split"].iloc[0]
        assert parts(fold)[1] == ("train" if own == "train" else None)
        assert fold.table.loc[fold.table["label"].isna(), "fold"].isna().all()


def test_cells_without_a_label_leave_the_split_of_a_table() -> None:
    table = cells({}, {}, {}, {"possible_labels": None}).table
    labelled = ["train", "validation", "test"] * 12
    manifest = Manifest(table.assign(split=[*labelled, "train", "validation", "test", "train"]), "table")
    without = without_unusable_labels(manifest, partial_labels=False)
    assert parts(without) == [None] * 4
    assert without.notices == ("left out of the table's split: 4 cells without a label",)
    with_partial = without_unusable_labels(manifest, partial_labels=True)
    assert parts(with_partial) == ["train", None, None, None]
    assert with_partial.notices == ("left out of the table's split: 3 cells without a label",)
    assert with_partial.table["split"].iloc[:36].tolist() == labelled
    assert without_unusable_labels(without, partial_labels=True) is without


def test_digest_depends_on_possible_labels_that_are_used_and_no_others() -> None:
    one, other = cells({"possible_labels": "all|hem"}), cells({"possible_labels": "hem|all"})
    assert one.digest == other.digest == cells({"possible_labels": None}).digest
    assert split_holdout(one).digest == one.digest
    used = [split_holdout(manifest, partial_labels=True).digest for manifest in (one, other)]
    assert len({one.digest, *used}) == 3
    assert np.ndim(used) == 1
