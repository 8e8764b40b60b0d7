import csv
import gzip
import os
import time
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from lymphoscope.data.manifest import Manifest
from lymphoscope.data.sources.cnmc import LABELS_FILE, PUBLISHED, looks_like_cnmc, read_cnmc
from lymphoscope.errors import LymphoscopeError

REAL = Path(__file__).parents[4] / "shared" / "data" / "cnmc"
HEADER = "Patient_ID,new_names,labels\n"


def lay_out(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def facts(manifest: Manifest) -> list[tuple[object, ...]]:
    return list(manifest.table[["label", "subject", "slide", "phase"]].itertuples(index=False, name=None))


@pytest.mark.parametrize("below", [".", "C-NMC_Leukemia", "C-NMC_Leukemia/C-NMC_training_data"])
@pytest.mark.parametrize("suffix", ["bmp", "png", "BMP"])
def test_training_cells_are_read_from_any_parent_folder(tmp_path: Path, below: str, suffix: str) -> None:
    folds = "C-NMC_Leukemia/C-NMC_training_data"
    lay_out(
        tmp_path,
        f"{folds}/fold_0/all/UID_11_10_1_all.{suffix}",
        f"{folds}/fold_1/hem/UID_H12_3_2_hem.{suffix}",
        f"{folds}/fold_2/hem/UID_h3_1_1_hem.{suffix}",
        f"{folds}/fold_2/hem/._UID_h3_1_1_hem.{suffix}",
        f"{folds}/fold_2/hem/notes.txt",
    )
    manifest = read_cnmc(tmp_path / below)
    assert facts(manifest) == [
        ("all", "11", "11_10", "phase-1"),
        ("hem", "H12", "H12_3", "phase-1"),
        ("hem", "H3", "H3_1", "phase-1"),
    ]
    assert all(Path(path).is_file() for path in manifest.table["path"])


@pytest.mark.parametrize("root", [".", "validation_data", "validation_data/C-NMC_test_prelim_phase_data"])
def test_phase_2_gets_names_and_labels_from_the_csv(tmp_path: Path, root: str) -> None:
    cells = "validation_data/C-NMC_test_prelim_phase_data"
    lay_out(tmp_path, f"{cells}/1.bmp", f"{cells}/2.bmp", f"{cells}/9.bmp")
    rows = "UID_57_29_1_all.bmp,1.bmp,1\nUID_h26_4_3_hem.bmp,2.bmp,0\n"
    (tmp_path / "validation_data" / LABELS_FILE).write_text(HEADER + rows)
    manifest = read_cnmc(tmp_path / root)
    assert facts(manifest) == [
        ("all", "57", "57_29", "phase-2"),
        ("hem", "H26", "H26_4", "phase-2"),
        (None, None, None, "phase-2"),
    ]
    assert "C-NMC: 1 image of phase-1 and 2 without a label in the name or the CSV" in manifest.notices


def test_phase_3_has_no_labels(tmp_path: Path) -> None:
    lay_out(tmp_path, "testing_data/C-NMC_test_final_phase_data/1.bmp", "C-NMC_test_final_phase_data/2.png")
    manifest = read_cnmc(tmp_path)
    assert facts(manifest) == [(None, None, None, "phase-3")] * 2
    assert manifest.notices == ("C-NMC phase-3 unlabelled: 2 cells here, 2586 of 17 published",)


def test_csv_applies_only_to_phase_2(tmp_path: Path) -> None:
    lay_out(tmp_path, "C-NMC_test_final_phase_data/1.bmp", "C-NMC_test_prelim_phase_data/1.bmp")
    (tmp_path / LABELS_FILE).write_text(HEADER + "UID_57_29_1_all.bmp,1.bmp,1\n")
    assert [label for label, *_ in facts(read_cnmc(tmp_path))] == [None, "all"]


def test_cell_with_another_name_gets_the_label_of_its_folder(tmp_path: Path) -> None:
    lay_out(tmp_path, "fold_0/all/one.bmp", "fold_0/all/UID_1_1_1_all.bmp", "fold_0/two.bmp")
    labels = {Path(path).name: label for path, label in read_cnmc(tmp_path).table[["path", "label"]].to_numpy()}
    assert labels == {"one.bmp": "all", "two.bmp": None, "UID_1_1_1_all.bmp": "all"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("name,label\n", "no column Patient_ID"),
        ("", "no column Patient_ID"),
        (HEADER + "UID_57_29_1_all.bmp,1.bmp,2\n", "line 2: 'UID_57_29_1_all.bmp' with label '2'"),
        (HEADER + "UID_57_29_1_all.bmp,1.bmp,1\nfifty,2.bmp,0\n", "line 3: 'fifty'"),
        (HEADER + "UID_57_29_1_all.bmp\n", "line 2"),
    ],
)
def test_invalid_csv_of_labels_is_refused_in_one_line(tmp_path: Path, content: str, says: str) -> None:
    lay_out(tmp_path, "C-NMC_test_prelim_phase_data/1.bmp")
    (tmp_path / LABELS_FILE).write_text(content)
    with pytest.raises(LymphoscopeError, match=says) as caught:
        read_cnmc(tmp_path)
    assert "\n" not in str(caught.value)


def test_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LymphoscopeError, match="contains no images"):
        read_cnmc(lay_out(tmp_path, "C-NMC_training_data/readme.txt"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("C-NMC_training_data/x.txt", True),
        ("fold_0/all/x.png", True),
        ("deep/er/UID_H3_1_1_hem.png", True),
        ("cells/uid_h3_1_1_hem.bmp", True),
        ("all/x.png", False),
        ("folds/UID.png", False),
    ],
)
def test_cnmc_layout_is_recognised(tmp_path: Path, name: str, expected: bool) -> None:
    assert looks_like_cnmc(lay_out(tmp_path, name)) is expected


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All 15,114 official names, every picture a link to one tiny BMP."""
    if not REAL.exists():
        pytest.skip("needs ../shared/data")
    root = tmp_path_factory.mktemp("official")
    Image.new("RGB", (16, 16)).save(root / "tiny.bmp")
    with gzip.open(REAL / "all_official_files.csv.gz", "rt", newline="") as stream:
        paths = [root / row["path"] for row in csv.DictReader(stream)]
    for folder in {path.parent for path in paths}:
        folder.mkdir(parents=True, exist_ok=True)
    for path in (path for path in paths if path.suffix == ".bmp"):
        os.link(root / "tiny.bmp", path)
    (labels,) = (path for path in paths if path.suffix == ".csv")
    labels.write_bytes((REAL / LABELS_FILE).read_bytes())
    (root / "tiny.bmp").unlink()
    return root / "C-NMC_Leukemia"


@pytest.mark.slow
def test_official_set_is_read_in_seconds_with_the_published_counts(official: Path) -> None:
    start = time.process_time()
    manifest = read_cnmc(official)
    assert time.process_time() - start < 5
    table = manifest.table
    assert manifest.notices == ()
    assert len(table) == 15_114
    assert table["subject"].nunique() + 17 == 118  # the names of Phase-III do not tell its 17
    for (phase, label), (cells, subjects) in PUBLISHED.items():
        own = table[(table["phase"] == phase) & (table["label"].isna() if label is None else table["label"] == label)]
        assert len(own) == cells
        assert own["subject"].nunique() == (0 if label is None else subjects)


@pytest.mark.slow
def test_labels_and_subjects_agree_with_the_official_list(official: Path) -> None:
    with gzip.open(REAL / "all_official_files.csv.gz", "rt", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["path"].endswith(".bmp")]
    expected = {row["path"]: (row["label"] or None, row["subject"].upper() or None) for row in rows}
    table = read_cnmc(official).table
    paths = [Path(path).relative_to(official.parent).as_posix() for path in table["path"]]
    assert dict(zip(paths, zip(table["label"], table["subject"], strict=True), strict=True)) == expected


def test_differing_count_is_a_notice_with_both_numbers(official: Path) -> None:
    manifest = read_cnmc(official / "training_data" / "fold_0")
    assert manifest.notices == (
        "C-NMC phase-1 all: 2397 cells of 19 subjects here, 7272 of 47 published",
        "C-NMC phase-1 hem: 1130 cells of 9 subjects here, 3389 of 26 published",
    )


@pytest.mark.skipif(not REAL.exists(), reason="needs ../shared/data")
def test_real_cells_are_read_with_notices() -> None:
    manifest = read_cnmc(REAL)
    assert Counter(manifest.table["label"]) == {"all": 307, "hem": 45}
    subjects = manifest.table.groupby("label")["subject"].nunique()
    assert subjects.to_dict() == {"all": 21, "hem": 13}
    assert "H3" in set(manifest.table["subject"])
    assert len(manifest.notices) == 4
    assert manifest.notices[3] == "not read: 1 .csv, 2 .gz"
    assert "the labels of 1867 cells are here, their images are not" in manifest.notices[2]


def test_jpeg_beside_png_is_read(tmp_path: Path) -> None:
    folder = "C-NMC_training_data/fold_0/all"
    manifest = read_cnmc(lay_out(tmp_path, f"{folder}/UID_1_1_1_all.png", f"{folder}/UID_1_1_2_all.jpg"))
    assert len(manifest) == 2


def test_a_cell_moved_to_the_folder_of_the_other_class_has_the_label_of_the_folder(tmp_path: Path) -> None:
    folder = "C-NMC_training_data/fold_0"
    lay_out(tmp_path, f"{folder}/all/UID_1_1_1_all.bmp", f"{folder}/hem/UID_2_1_1_all.bmp")
    manifest = read_cnmc(tmp_path)
    assert facts(manifest) == [("all", "1", "1_1", "phase-1"), ("hem", "2", "2_1", "phase-1")]
    moved = [notice for notice in manifest.notices if notice.startswith("LABELLED AGAIN: 1 cell in")]
    assert len(moved) == 1
    assert "(1 in hem), such as" in moved[0]
    assert "hem/UID_2_1_1_all.bmp; the folder was used" in moved[0]


def test_a_folder_of_relabelled_phase_2_cells_wins_over_the_csv(tmp_path: Path) -> None:
    cells = "validation_data/C-NMC_test_prelim_phase_data"
    lay_out(tmp_path, f"{cells}/all/2.bmp", f"{cells}/hem/3.bmp")
    rows = "UID_57_29_1_hem.bmp,2.bmp,0\nUID_h26_4_3_hem.bmp,3.bmp,0\n"
    (tmp_path / "validation_data" / LABELS_FILE).write_text(HEADER + rows)
    manifest = read_cnmc(tmp_path)
    assert manifest.table["label"].tolist() == ["all", "hem"]
    assert sum(notice.startswith("LABELLED AGAIN: 1 cell") for notice in manifest.notices) == 1


def test_a_folder_named_all_with_cells_of_both_classes_is_no_class(tmp_path: Path) -> None:
    lay_out(tmp_path, "all/UID_1_1_1_all.bmp", "all/UID_H2_1_1_hem.bmp")
    manifest = read_cnmc(tmp_path)
    assert manifest.table["label"].tolist() == ["all", "hem"]
    assert [notice for notice in manifest.notices if notice.startswith("LABELS IN DOUBT: 1 cell in")]
