import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lymphoscope.data.images import UnreadableImage, read_image
from lymphoscope.data.manifest import Manifest
from lymphoscope.data.manifest_files import read_manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.synthetic import synthesize
from lymphoscope.synthetic.faults import FAULT_KINDS

FEW = {"subjects": 8, "cells_per_subject": 3, "fields": 2, "size": 120}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    folder = tmp_path_factory.mktemp("made") / "smears"
    return folder, synthesize(folder, **FEW, workers=2)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def planted(folder: Path) -> list[dict[str, str | None]]:
    return json.loads((folder / "synthetic.json").read_text(encoding="utf-8"))["faults"]


@pytest.mark.slow
def test_same_seed_gives_same_bytes_for_any_number_of_workers(made: tuple[Path, Manifest], tmp_path: Path) -> None:
    synthesize(tmp_path / "one", **FEW, workers=1)
    synthesize(tmp_path / "five", **FEW, workers=5)
    assert contents(tmp_path / "one") == contents(tmp_path / "five") == contents(made[0])


def mean_grey(folder: Path) -> float:
    pixels = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.glob("*.png")) if is_whole(path)]
    return float(np.mean([each.mean() for each in pixels]))


def is_whole(path: Path) -> bool:
    try:
        read_image(path)
    except UnreadableImage:
        return False
    return True


def test_a_seed_gives_the_same_set_as_in_earlier_versions(made: tuple[Path, Manifest]) -> None:
    """Random numbers are compared exactly, pixels by their mean: the last bit of an exponential depends on the CPU."""
    digests = {"traits.csv": "f6bc2ec247a6f1cd", "fields/boxes.csv": "945ba077c7ccad86"}
    for name, digest in digests.items():
        assert hashlib.sha256((made[0] / name).read_bytes()).hexdigest().startswith(digest), name
    means = {"images/all": 15.992, "images/hem": 12.984, "fields/images": 206.944}
    for name, mean in means.items():
        assert mean_grey(made[0] / name) == pytest.approx(mean, abs=0.01), name


def test_different_seeds_give_different_cells(made: tuple[Path, Manifest], tmp_path: Path) -> None:
    synthesize(tmp_path / "other", **FEW, seed=1)
    ours, others = contents(made[0]), contents(tmp_path / "other")
    same = [name for name in ours if name.startswith("images/") and ours[name] == others.get(name)]
    assert same == []


def test_faults_only_add_files(made: tuple[Path, Manifest], tmp_path: Path) -> None:
    synthesize(tmp_path / "clean", **FEW, faults=False)
    clean, faulty = contents(tmp_path / "clean"), contents(made[0])
    added = {str(fault["path"]) for fault in planted(made[0])}
    assert set(faulty) - set(clean) == added
    for name in set(clean) - {"manifest.csv", "synthetic.json"}:
        assert clean[name] == faulty[name], name
    assert planted(tmp_path / "clean") == []


def test_manifest_lists_every_image_and_can_be_read(made: tuple[Path, Manifest]) -> None:
    folder, manifest = made
    assert manifest.source == "synthetic"
    assert sorted(manifest.table["path"]) == sorted(str(path) for path in (folder / "images").rglob("*.png"))
    assert len(manifest) == 8 * 3 + 10
    read = read_manifest(folder / "manifest.csv")
    assert read.source == "synthetic"
    assert read.digest == manifest.digest
    assert read.table["path"].tolist() == manifest.table["path"].tolist()


def test_names_contain_subject_and_class(made: tuple[Path, Manifest]) -> None:
    table = made[1].table
    for path, label, subject in zip(table["path"], table["label"], table["subject"], strict=True):
        word, named, _, _, ending = Path(path).stem.split("_")
        assert (word, named, ending, Path(path).parent.name) == ("SYN", subject, label, label)
    traits = pd.read_csv(made[0] / "traits.csv")
    assert (traits["subject"].str.startswith("H") == (traits["label"] == "hem")).all()
    assert traits["subject"].nunique() == 8
    assert len(traits) == 24


def test_every_good_cell_has_its_mask(made: tuple[Path, Manifest]) -> None:
    folder = made[0]
    faulty = {fault["path"] for fault in planted(folder)}
    good = {
        name.removeprefix("images/") for name in contents(folder) if name.startswith("images/") and name not in faulty
    }
    assert {name.removeprefix("masks/") for name in contents(folder) if name.startswith("masks/")} == good
    for name in good:
        mask = np.asarray(Image.open(folder / "masks" / name))
        np.testing.assert_array_equal(mask > 0, read_image(folder / "images" / name).any(axis=2))


def most_similar(path: Path, manifest: Manifest) -> Path:
    """The other file of the set whose pixels correlate best with this one's."""
    pixels, correlations = read_image(path).ravel(), {}
    for other in manifest.table.loc[manifest.table["width"] == 120, "path"]:
        if other != str(path):
            correlations[Path(other)] = np.corrcoef(pixels, read_image(other).ravel())[0, 1]
    return max(correlations, key=lambda other: correlations[other])


def test_every_kind_of_fault_is_present(made: tuple[Path, Manifest]) -> None:
    folder, manifest = made
    labels = dict(zip(manifest.table["path"], manifest.table["label"], strict=True))
    assert {fault["kind"] for fault in planted(folder)} == set(FAULT_KINDS)
    for fault in planted(folder):
        path = folder / str(fault["path"])
        assert labels[str(path)] == fault["label"]
        original = folder / fault["copy_of"] if fault["copy_of"] else None
        match fault["kind"]:
            case "truncated":
                with pytest.raises(UnreadableImage, match="truncated"):
                    read_image(path)
            case "duplicate_of_other_subject" | "duplicate_of_other_label":
                assert original is not None
                assert path.read_bytes() == original.read_bytes()
                assert path.name.split("_")[1] != original.name.split("_")[1]
                assert (path.parent == original.parent) == (fault["kind"] == "duplicate_of_other_subject")
            case "near_duplicate":
                assert original is not None
                assert path.read_bytes() != original.read_bytes()
                assert most_similar(path, manifest) == original
            case "mislabelled":
                assert fault["label"] != fault["true_label"]
                assert read_image(path).shape == (120, 120, 3)
            case "wrong_size":
                assert read_image(path).shape == (80, 80, 3)


def test_boxes_and_masks_of_the_fields_agree(made: tuple[Path, Manifest]) -> None:
    boxes = pd.read_csv(made[0] / "fields" / "boxes.csv")
    assert list(boxes) == ["image", "source", "class", "xmin", "ymin", "xmax", "ymax", "width", "height"]
    assert set(boxes["source"]) == {"SYNTHETIC"}
    assert boxes["image"].nunique() == 2
    for name, rows in boxes.groupby("image"):
        numbers = np.asarray(Image.open(made[0] / "fields" / "masks" / str(name)))
        field = read_image(made[0] / "fields" / "images" / str(name))
        assert field.shape[:2] == numbers.shape == (rows["height"].iloc[0], rows["width"].iloc[0])
        for number, row in enumerate(rows.itertuples(), start=1):
            outside = numbers == number
            outside[row.ymin : row.ymax, row.xmin : row.xmax] = False
            assert not outside.any()


def test_all_files_are_marked_as_synthetic(made: tuple[Path, Manifest]) -> None:
    folder = made[0]
    mark = json.loads((folder / "synthetic.json").read_text(encoding="utf-8"))
    assert mark["synthetic"] is True
    assert mark["settings"]["seed"] == 0
    assert (folder / "README.txt").read_text(encoding="utf-8").startswith("SYNTHETIC")
    assert "synthetic" in (folder / "manifest.csv").read_text(encoding="utf-8")
    assert all(path.name.startswith("SYN_") for path in folder.rglob("*.png"))


def test_second_run_restores_the_same_set_and_refuses_another(made: tuple[Path, Manifest], tmp_path: Path) -> None:
    small = {"subjects": 2, "cells_per_subject": 1, "fields": 0, "size": 60}
    folder = tmp_path / "set"
    synthesize(folder, **small)
    before = contents(folder)
    next((folder / "images").rglob("*.png")).unlink()
    synthesize(folder, **small)
    assert contents(folder) == before
    with pytest.raises(LymphoscopeError, match="contains something else"):
        synthesize(folder, **small, seed=1)
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(LymphoscopeError, match="contains something else"):
        synthesize(other, **small)
    assert contents(other) == {"thesis.txt": b"mine"}


def test_few_subjects_get_few_faults_and_none_that_links_the_classes(tmp_path: Path) -> None:
    synthesize(tmp_path / "set", subjects=2, cells_per_subject=1, fields=0, size=60)
    kinds = [fault["kind"] for fault in planted(tmp_path / "set")]
    assert len(kinds) == len(set(kinds))
    assert "duplicate_of_other_label" not in kinds


def test_smear_background_has_surroundings(tmp_path: Path) -> None:
    manifest = synthesize(
        tmp_path / "set", subjects=2, cells_per_subject=2, fields=0, faults=False, size=100, background="smear"
    )
    for path in manifest.table["path"]:
        assert read_image(path)[0, 0].max() > 100


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"subjects": 1}, "subjects is 1"),
        ({"overlap": 0}, "overlap is 0"),
        ({"size": 10}, "size is 10"),
        ({"background": "white"}, "background is 'white'"),
    ],
)
def test_invalid_setting_is_named_in_one_line(tmp_path: Path, wrong: dict[str, object], message: str) -> None:
    with pytest.raises(LymphoscopeError, match=message) as caught:
        synthesize(tmp_path / "set", **wrong)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "set").exists()


def test_set_is_small(made: tuple[Path, Manifest]) -> None:
    picture = Image.open(io.BytesIO(next(v for k, v in contents(made[0]).items() if k.startswith("images/all"))))
    assert picture.mode == "RGB"
    assert sum(map(len, contents(made[0]).values())) < 4 * 2**20
