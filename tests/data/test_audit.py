import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lymphoscope.data import audit_manifest, read_source, split_holdout
from lymphoscope.data.findings import AuditReport
from lymphoscope.data.manifest import Manifest, manifest_of
from lymphoscope.synthetic import synthesize

REAL = Path(__file__).parents[3] / "shared" / "data"


def checks(report: AuditReport, *severities: str) -> set[str]:
    found = report.findings
    return set(found["check"][found["severity"].isin(severities)])


def files(report: AuditReport, check: str) -> set[str]:
    found = report.findings[report.findings["check"] == check]
    return {Path(path).name for name in ("path", "other_path") for path in found[name] if path}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[dict[str, Any]]], AuditReport]:
    """A synthetic set with planted faults, what was planted by kind, and its audit."""
    folder = tmp_path_factory.mktemp("faulty")
    manifest = synthesize(folder, subjects=20, cells_per_subject=3, fields=0, size=200, seed=3)
    planted: dict[str, list[dict[str, Any]]] = {}
    for fault in json.loads((folder / "synthetic.json").read_text())["faults"]:
        planted.setdefault(fault["kind"], []).append(fault)
    return folder, planted, audit_manifest(manifest)


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        ("truncated", "unreadable"),
        ("duplicate_of_other_subject", "two-subjects"),
        ("duplicate_of_other_label", "two-labels"),
        ("near_duplicate", "near-duplicate"),
        ("wrong_size", "size"),
    ],
)
def test_every_planted_fault_is_found(
    faulty: tuple[Path, dict[str, list[dict[str, Any]]], AuditReport], kind: str, check: str
) -> None:
    _, planted, report = faulty
    assert {Path(fault["path"]).name for fault in planted[kind]} <= files(report, check)
    assert report.failed


def test_subjects_with_wrong_labels_are_found(
    faulty: tuple[Path, dict[str, list[dict[str, Any]]], AuditReport],
) -> None:
    _, planted, report = faulty
    details = report.findings["detail"][report.findings["check"] == "subject-label"]
    subjects = {fault["subject"] for fault in planted["mislabelled"]}
    assert {detail.split()[1] for detail in details} == subjects


def test_set_without_faults_passes(tmp_path: Path) -> None:
    report = audit_manifest(synthesize(tmp_path, subjects=6, cells_per_subject=4, fields=0, size=200, faults=False))
    assert not report.failed
    assert report.class_counts.to_numpy().tolist() == [["all", 12, 3], ["hem", 12, 3]]


def images(folder: Path, *sizes: tuple[int, int]) -> Manifest:
    """Images of noise, one per size, with alternating labels a and b, each of another subject."""
    rows = []
    for i, (width, height) in enumerate(sizes):
        pixels = np.random.default_rng(i).integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
        rows.append({"path": str(folder / f"{i}.png"), "label": "ab"[i % 2], "subject": str(i)})
    return manifest_of(rows, "table")


def test_unusual_size_is_a_warning(tmp_path: Path) -> None:
    report = audit_manifest(images(tmp_path, *[(30, 20)] * 10, (20, 30)))
    assert checks(report, "warning") == {"size"}
    assert files(report, "size") == {"10.png"}
    assert report.findings["detail"][0] == "20x30 pixels, most are 30x20"


def test_unexpected_size_is_an_error(tmp_path: Path) -> None:
    report = audit_manifest(images(tmp_path, (30, 20), (30, 20), (20, 30)), expected_size=(20, 30))
    assert checks(report, "error") == {"size"}
    assert files(report, "size") == {"0.png", "1.png"}


def test_many_sizes_are_a_notice(tmp_path: Path) -> None:
    report = audit_manifest(images(tmp_path, (30, 20), (31, 20), (20, 30)))
    assert not report.failed
    assert "3 sizes" in report.findings["detail"].str.cat()


def test_subject_in_two_parts_is_an_error(tmp_path: Path) -> None:
    manifest = images(tmp_path, *[(30, 20)] * 8)
    table = manifest.table.assign(subject=[str(i // 2 % 4) for i in range(8)])
    clean = audit_manifest(split_holdout(manifest, validation=0))
    assert not clean.failed
    leaking = audit_manifest(manifest.with_table(table.assign(split=["train", "test"] * 4)))
    assert checks(leaking, "error") == {"split-subject"}
    assert any("RANDOM SPLIT" in notice for notice in leaking.notices)
    folds = audit_manifest(manifest.with_table(table.assign(fold=[0, 1] * 4)))
    assert checks(folds, "error") == {"split-subject"}


def test_missing_values_and_imbalance_are_notices(tmp_path: Path) -> None:
    table = images(tmp_path, *[(30, 20)] * 8).table.assign(
        label=["a"] * 6 + ["b", None], subject=["1"] * 4 + ["2", None, "3", None]
    )
    report = audit_manifest(Manifest(table, "table"))
    assert not report.failed
    assert set(report.findings["detail"]) == {
        "1 of 8 cells have no label",
        "2 of 8 cells have no subject",
        "a has 6 cells, b has 1",
        "subject 1 has 4 of the 6 cells of a",
        "b has only one subject: a split by subject is impossible",
    }


def test_report_without_any_readable_file(tmp_path: Path) -> None:
    manifest = manifest_of([{"path": str(tmp_path / "none.png")}], "table")
    report = audit_manifest(manifest)
    assert checks(report, "error") == {"unreadable"}
    assert json.loads(report.to_json())["class_counts"] == []
    assert "none.png" in report.to_text()


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="needs ../shared/data")
def test_real_cells_have_three_shared_between_subjects_and_no_other_fault() -> None:
    report = audit_manifest(read_source(str(REAL / "cnmc")))
    assert checks(report, "error", "warning") == {"near-duplicate"}
    details = report.findings.loc[report.findings["severity"] == "warning", "detail"]
    assert len(details) == 3
    assert all("under two subjects" in detail for detail in details)
    same_slide_series = report.findings.query("check == 'near-duplicate' and severity == 'notice'")
    assert len(same_slide_series) == 14


def test_spellings_of_one_subject_or_label_are_errors_and_of_a_slide_warnings(tmp_path: Path) -> None:
    table = images(tmp_path, *[(30, 20)] * 6).table.assign(
        subject=["P01", "p01", "P2", "P3", "P4", "P5"],
        label=["all", "hem", "ALL", "hem", "all", "hem"],
        slide=["s1", "S1", "s2", None, None, None],
    )
    findings = audit_manifest(Manifest(table, "table")).findings.query("check == 'spelling'")
    assert dict(zip(findings["detail"], findings["severity"], strict=True)) == {
        "subject 'P01' and 'p01' may be the same subject": "error",
        "label 'ALL' and 'all' may be the same label": "error",
        "slide 'S1' and 's1' may be the same slide": "warning",
    }


def details(report: AuditReport, check: str) -> list[str]:
    return report.findings.loc[report.findings["check"] == check, "detail"].tolist()


def test_a_flat_folder_is_a_warning(tmp_path: Path) -> None:
    for number in range(3):
        Image.new("RGB", (20 + number, 30)).save(tmp_path / f"{number}.png")
    report = audit_manifest(read_source(str(tmp_path)))
    assert report.failed
    assert details(report, "no-labels")[0].startswith("no cell has a label")
    assert "nothing is wrong" not in report.to_text()


def test_12_bits_in_16_are_a_warning(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (30, 30), dtype=np.uint16)
    for name, divisor in (("a", 16), ("b", 1)):
        (tmp_path / name).mkdir()
        Image.fromarray(samples // divisor).save(tmp_path / name / "cell.tif")
    report = audit_manifest(read_source(str(tmp_path)))
    found = report.findings[report.findings["check"] == "bit-depth"]
    assert found["path"].tolist() == [str(tmp_path / "a" / "cell.tif")]
    assert found["severity"].tolist() == ["warning"]


def test_a_cell_in_a_folder_named_as_another_class_is_a_warning(tmp_path: Path) -> None:
    for name, color in (("all/1.png", "red"), ("hem/2.png", "green"), ("hem/3.png", "blue")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (20, 20), color).save(tmp_path / name)
    (tmp_path / "cells.csv").write_text("path,label\nall/1.png,all\nhem/2.png,hem\nhem/3.png,all\n")
    report = audit_manifest(read_source(str(tmp_path / "cells.csv")))
    assert details(report, "folder-label") == ["its label is all, but it lies in the folder hem"]
    assert report.failed


def test_cnmc_cells_that_were_moved_to_another_class_are_listed(tmp_path: Path) -> None:
    folder = tmp_path / "C-NMC_training_data" / "fold_0"
    for number, (place, label) in enumerate([("all", "all"), ("hem", "hem"), ("hem", "all")]):
        path = folder / place / f"UID_{number}_1_1_{label}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20), (50 * number, 9, 9)).save(path)
    report = audit_manifest(read_source(str(tmp_path)))
    assert details(report, "labelled-again") == ["its file name says all; its label is hem, as its folder says"]
    assert any(notice.startswith("LABELLED AGAIN: 1 cell") for notice in report.notices)


def test_what_is_not_read_is_a_notice(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "a" / "cell.png")
    (tmp_path / "a" / "cells.zip").touch()
    report = audit_manifest(read_source(str(tmp_path)))
    assert "notice: not read: 1 .zip" in report.to_text().splitlines()
    assert report.to_dict()["notices"] == ["not read: 1 .zip"]


def test_an_address_in_a_table_is_an_unreadable_file_of_the_audit(tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "cell.png")
    (tmp_path / "cells.csv").write_text("path,label\ncell.png,all\ns3://bucket/cell.png,hem\n")
    report = audit_manifest(read_source(str(tmp_path / "cells.csv")))
    unreadable = report.findings[report.findings["check"] == "unreadable"]
    assert unreadable["path"].tolist() == ["s3://bucket/cell.png"]
    assert "s3://bucket/cell.png" in report.to_text()
