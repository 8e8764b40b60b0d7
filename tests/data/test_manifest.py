import hashlib
from pathlib import Path

import pandas as pd
import pytest

from lymphoscope.data.identity import name_key
from lymphoscope.data.manifest import COLUMNS, Manifest, below_common_folder, manifest_of
from lymphoscope.data.manifest_files import read_manifest, write_manifest
from lymphoscope.errors import LymphoscopeError


def cells(folder: Path) -> Manifest:
    return manifest_of(
        [
            {"path": str(folder / "a/1.png"), "label": "all", "subject": "007", "sha256": "aa", "width": 20},
            {"path": str(folder / "b/2.png"), "label": "hem", "subject": "NA", "split": "test", "group": "NA"},
            {"path": str(folder / "b/ä.png"), "label": None, "subject": None},
        ],
        "synthetic",
    )


@pytest.mark.parametrize("name", ["cells.csv", "cells.parquet", "CELLS.CSV"])
def test_written_manifest_is_read_back_unchanged(tmp_path: Path, name: str) -> None:
    written = cells(tmp_path)
    write_manifest(written, tmp_path / name)
    read = read_manifest(tmp_path / name)
    pd.testing.assert_frame_equal(read.table, written.table)
    assert read.source == "synthetic"
    assert read.digest == written.digest
    assert read.table["subject"].tolist() == ["007", "NA", None]


def test_manifest_can_be_moved_with_its_folder(tmp_path: Path) -> None:
    write_manifest(cells(tmp_path / "here"), tmp_path / "here" / "m.csv")
    (tmp_path / "here").rename(tmp_path / "there")
    paths = read_manifest(tmp_path / "there" / "m.csv").table["path"]
    assert paths.tolist() == cells(tmp_path / "there").table["path"].tolist()


def test_relative_paths_start_at_the_table(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "m.csv").write_text("path,label,stain\n../cells/1.png,all,old\n/far/2.png,hem,new\n")
    table = read_manifest(tmp_path / "tables" / "m.csv").table
    assert table["path"].tolist() == [str(tmp_path / "cells" / "1.png"), "/far/2.png"]
    assert list(table.columns) == [*COLUMNS, "stain"]


def test_digest_depends_on_the_cells_and_not_on_their_location(tmp_path: Path) -> None:
    here, there = cells(tmp_path / "x"), cells(tmp_path / "y" / "z")
    assert here.digest == there.digest
    assert here.with_table(here.table.iloc[::-1]).digest == here.digest
    for column in ("label", "subject", "sha256"):
        changed = here.table.copy()
        changed.loc[1, column] = "other"
        assert here.with_table(changed).digest != here.digest


def test_digest_is_the_documented_hash(tmp_path: Path) -> None:
    lines = ["a/1.png\tall\t007\taa", "b/2.png\them\tNA\t", "b/ä.png\t\t\t"]
    assert cells(tmp_path).digest == hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_labels_read_as_floats_become_whole_numbers(tmp_path: Path) -> None:
    pd.DataFrame({"path": ["a", "b", "c"], "label": [0.0, 1.0, None]}).to_parquet(tmp_path / "m.parquet")
    manifest = read_manifest(tmp_path / "m.parquet")
    assert manifest.table["label"].tolist() == ["0", "1", None]
    assert manifest.classes == ["0", "1"]


def test_empty_manifest_has_all_columns() -> None:
    manifest = manifest_of([], "folders")
    assert list(manifest.table.columns) == list(COLUMNS)
    assert (len(manifest), manifest.classes, len(manifest.digest)) == (0, [], 64)


def test_notices_are_added_once() -> None:
    manifest = manifest_of([], "folders", ("a",))
    assert manifest.with_table(manifest.table, "b", "a").notices == ("a", "b")


def test_paths_below_their_common_folder() -> None:
    assert below_common_folder(["/x/a/1.png", "/x/b/2.png"]) == ["a/1.png", "b/2.png"]
    assert below_common_folder(["/x/a/1.png"]) == ["1.png"]
    assert below_common_folder(["/x//a/1.png", "/x/./b/c/2.png"]) == ["a/1.png", "b/c/2.png"]
    assert below_common_folder(["/x/1.png", "/x/b/2.png"]) == ["1.png", "b/2.png"]
    assert below_common_folder(["1.png", "b/2.png"]) == ["1.png", "b/2.png"]
    assert below_common_folder(["/1.png", "/b/2.png"]) == ["1.png", "b/2.png"]
    assert below_common_folder([]) == []


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("m.csv", "file,label\na,b\n", "no column `path` (it has file, label)"),
        ("m.csv", "path,label\na,b\n,c\n", "row 2 after the header has no path"),
        ("m.csv", "path,split\na,train\nb,exam\n", "row 2 after the header has a split other than train"),
        ("m.csv", "path,width\na,wide\n", "row 1 after the header has a width that is not a whole number"),
        ("m.csv", "path,fold\na,0.5\n", "a fold that is not a whole number"),
        ("m.csv", "", "is not a readable table"),
        ("m.csv", 'path,label\n"a,b\n', "a quote is missing, or one too many"),
        ("m.parquet", "no parquet", "is not a readable table"),
        ("m.xlsx", "x", "not .xlsx"),
    ],
)
def test_invalid_table_is_refused_in_one_line(tmp_path: Path, name: str, content: str, says: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(LymphoscopeError) as caught:
        read_manifest(tmp_path / name)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_binary_csv_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"path\n\xff\xfe\x00\n")
    with pytest.raises(LymphoscopeError, match="is not a readable table"):
        read_manifest(tmp_path / "m.csv")


def test_missing_table_and_unknown_suffix_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LymphoscopeError, match="no such file"):
        read_manifest(tmp_path / "m.csv")
    with pytest.raises(LymphoscopeError, match="without suffix"):
        write_manifest(cells(tmp_path), tmp_path / "m")


def test_names_are_cleaned_and_never_merged(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,label,subject\na,all,P01\nb,ALL,p01 \nc,all,\u00a0P01\n", encoding="utf-8")
    table = read_manifest(tmp_path / "m.csv").table
    assert table["subject"].tolist() == ["P01", "p01", "P01"]
    assert table["label"].tolist() == ["all", "ALL", "all"]


def test_csv_and_parquet_give_subjects_of_one_key(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,subject\na,1.0\nb,2.0\n")
    pd.DataFrame({"path": ["a", "b", "c"], "subject": [1.0, 2.0, None]}).to_parquet(tmp_path / "m.parquet")
    csv, parquet = (read_manifest(tmp_path / name).table["subject"].dropna() for name in ("m.csv", "m.parquet"))
    assert [name_key(name) for name in csv] == [name_key(name) for name in parquet] == ["1", "2"]


def test_large_floating_point_subjects_are_refused(tmp_path: Path) -> None:
    pd.DataFrame({"path": ["a", "b"], "subject": [2.0**53, 2.0**53 + 1]}).to_parquet(tmp_path / "m.parquet")
    with pytest.raises(LymphoscopeError, match=r"subject of .* has floating-point numbers above"):
        read_manifest(tmp_path / "m.parquet")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("path,Split\na,train\n", "column `Split`: write it `split`"),
        ("path,label\na,all\nb,all\na,hem\n", "rows 1, 3 after the header have the same path with label all and hem"),
        ("path,label,subject\na,all,1\n./a,all,2\n", "rows 1, 2 .* the same path with subject 1 and 2"),
        ("path,split\na,train\na,test\n", "the same path with split train and test"),
    ],
)
def test_contradicting_table_is_refused(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "m.csv").write_text(content)
    with pytest.raises(LymphoscopeError, match=says):
        read_manifest(tmp_path / "m.csv")


@pytest.mark.parametrize(
    ("column", "meant"), [("patient", "subject"), ("Patient_ID", "subject"), ("diagnosis", "label")]
)
def test_unused_column_that_looks_meant_is_a_notice(tmp_path: Path, column: str, meant: str) -> None:
    (tmp_path / "m.csv").write_text(f"path,{column}\na,1\n")
    manifest = read_manifest(tmp_path / "m.csv")
    (notice,) = manifest.notices
    assert notice.startswith(f"the column `{column}` is not used: rename it `{meant}`")
    (tmp_path / "m.csv").write_text(f"path,{column},{meant}\na,1,2\n")
    assert read_manifest(tmp_path / "m.csv").notices == ()


def test_rows_that_repeat_a_path_are_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "cells.csv").write_text("path,label\na.png,x\nb.png,y\n./a.png,x\n", encoding="utf-8")
    manifest = read_manifest(tmp_path / "cells.csv")
    assert manifest.table["label"].tolist() == ["x", "y"]
    assert manifest.notices == ("left out: 1 row with the path of an earlier row",)


def test_one_path_on_two_slides_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cells.csv").write_text("path,slide\na.png,1\na.png,2\n", encoding="utf-8")
    with pytest.raises(LymphoscopeError, match="have the same path with slide 1 and 2"):
        read_manifest(tmp_path / "cells.csv")


@pytest.mark.parametrize(
    ("value", "is_formula"),
    [("=1+1", True), ("@SUM(A1)", True), ("+cmd", True), ("-cmd|' /C calc'!A0", True), ("-7", False), ("+1.5", False),
     ("S=1", False), ("007", False)],
)  # fmt: skip
def test_names_that_spreadsheets_take_for_formulas_are_named_and_kept(
    tmp_path: Path, value: str, is_formula: bool
) -> None:
    (tmp_path / "cells.csv").write_text(f"path,subject\na.png,{value}\n", encoding="utf-8")
    manifest = read_manifest(tmp_path / "cells.csv")
    assert manifest.table["subject"].tolist() == [value]
    assert any("run as a formula" in notice for notice in manifest.notices) == is_formula


@pytest.mark.parametrize("address", ["C://cells/a.png", "s3://bucket/a.png", "file:///dev/zero"])
def test_an_address_among_files_stays_as_it_is(address: str) -> None:
    assert below_common_folder(["/data/x/a.png", address, "/data/y/b.png"]) == ["x/a.png", address, "y/b.png"]
    assert below_common_folder([address]) == [address]
    assert below_common_folder(["/data/a.png", "b.png"]) == ["a.png", "b.png"]
    assert below_common_folder(["x/a.png", "x/b.png"]) == ["a.png", "b.png"]
