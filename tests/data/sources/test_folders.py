import time
from pathlib import Path

import pytest

from lymphoscope.data.sources import folders
from lymphoscope.data.sources.folders import read_folders
from lymphoscope.errors import LymphoscopeError


def lay_out(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_first_folder_is_the_class(tmp_path: Path) -> None:
    lay_out(tmp_path, "blast/S1/1.PNG", "blast/S2/deep/2.jpeg", "normal/3.tif", "normal/notes.txt", ".cache/4.png")
    manifest = read_folders(tmp_path)
    assert manifest.source == "folders"
    assert manifest.notices == ("not read: 1 .txt, 1 hidden",)
    assert manifest.table["label"].tolist() == ["blast", "blast", "normal"]
    assert manifest.table["subject"].tolist() == [None] * 3
    assert [Path(path).name for path in manifest.table["path"]] == ["1.PNG", "2.jpeg", "3.tif"]


@pytest.mark.parametrize(
    ("pattern", "subjects"),
    [
        (r"/(S\d+)/", ["S1", "S2", None]),
        (r"(?P<subject>S\d+)/", ["S1", "S2", None]),
        (r"(deep/)?(?P<subject>\d)\.", ["1", "2", "3"]),
        (r"^(blast|normal)", ["blast", "blast", "normal"]),
    ],
)
def test_subject_is_the_named_group_or_the_first(tmp_path: Path, pattern: str, subjects: list[str | None]) -> None:
    lay_out(tmp_path, "blast/S1/1.png", "blast/S2/deep/2.png", "normal/3.png")
    manifest = read_folders(tmp_path, pattern)
    assert manifest.table["subject"].tolist() == subjects
    assert any("does not match 1 paths" in notice for notice in manifest.notices) is (None in subjects)


def test_images_outside_the_class_folders_have_no_label(tmp_path: Path) -> None:
    manifest = read_folders(lay_out(tmp_path, "1.png", "a/2.png"))
    assert manifest.table["label"].tolist() == [None, "a"]
    assert manifest.notices == ("1 image outside the class folders, without a label",)


@pytest.mark.parametrize(
    ("names", "pattern", "says"),
    [
        ([], None, "contains no images"),
        (["a/notes.txt"], None, "contains no images"),
        (["a/1.png", "b/notes.txt"], None, "class b has no images in"),
        (["Train/all/1.png", "val/all/2.png"], None, "parts of a split and not classes"),
        (["TRAIN/all/1.png", "TEST/all/2.png", "TEST_SIMPLE/all/3.png"], None, "TEST, TEST_SIMPLE, TRAIN, which are"),
        (["train/all/1.png", "test/all/2.png", "extra/3.png"], None, "parts of a split and not classes"),
        (["a/2.zip", "3.dcm.gz"], None, r"contains no images .not read: 1 .gz, 1 .zip."),
        (["a/1.png"], "([", "is not a valid regular expression"),
        (["a/1.png"], r"S\d", "has no group"),
        (["a/1.png"], r"(S\d)", "matches no path, such as"),
    ],
)
def test_invalid_folder_or_pattern_is_refused_in_one_line(
    tmp_path: Path, names: list[str], pattern: str | None, says: str
) -> None:
    with pytest.raises(LymphoscopeError, match=says) as caught:
        read_folders(lay_out(tmp_path, *names), pattern)
    assert "\n" not in str(caught.value)


def test_a_class_may_be_named_like_the_beginning_of_a_part(tmp_path: Path) -> None:
    assert read_folders(lay_out(tmp_path, "testis/1.png", "valve/2.png")).classes == ["testis", "valve"]


def test_one_class_with_subfolders_is_named_because_they_are_probably_the_classes(tmp_path: Path) -> None:
    manifest = read_folders(lay_out(tmp_path, "images/all/1.png", "images/hem/2.png"))
    assert manifest.notices == (
        f"ONE CLASS: all images have the label images. If all, hem are the classes, give {tmp_path / 'images'}",
    )


def test_a_subject_pattern_that_takes_exponential_time_is_refused_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_PATTERN_SECONDS", 0.2)
    lay_out(tmp_path, f"a/{'x' * 60}.png")
    start = time.monotonic()
    with pytest.raises(LymphoscopeError, match="takes too long on a/xxx"):
        read_folders(tmp_path, r"^a/((x|xx)+)(?<!x)")
    assert time.monotonic() - start < 20
