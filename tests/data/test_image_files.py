import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from lymphoscope.data.image_files import (
    CLOSED_FOLDER,
    HIDDEN,
    NO_HEADER,
    REPEATED_FOLDER,
    SPECIAL_FILE,
    describe_not_read,
    walk_files,
)


def lay_out(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def names_below(root: Path, *suffixes: str) -> list[str]:
    found = walk_files(root, tuple(suffixes)) if suffixes else walk_files(root)
    return [path.relative_to(root).as_posix() for path in found]


def test_image_files_are_found_by_suffix_in_sorted_order(tmp_path: Path) -> None:
    lay_out(tmp_path, "b/2.PNG", "b/10.jpeg", "a/deep/1.tif", "c.bmp", "notes.txt", "table.csv")
    assert names_below(tmp_path) == ["c.bmp", "a/deep/1.tif", "b/10.jpeg", "b/2.PNG"]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    assert names_below(lay_out(tmp_path, ".cache/1.png", "._2.png", "3.png")) == ["3.png"]


def test_suffixes_can_be_chosen(tmp_path: Path) -> None:
    assert names_below(lay_out(tmp_path, "1.png", "2.bmp"), ".bmp") == ["2.bmp"]


def not_read(root: Path) -> dict[str, int]:
    counts: Counter[str] = Counter()
    list(walk_files(root, not_read=counts))
    return dict(counts)


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "j2k", "mpo", "dib", "avif", "JFIF", "apng", "pbm"])
def test_less_usual_suffixes_are_images(tmp_path: Path, suffix: str) -> None:
    assert names_below(lay_out(tmp_path, f"cell.{suffix}")) == [f"cell.{suffix}"]


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "JPEG2000", "AVIF", "PPM"])
@pytest.mark.parametrize("name", ["cell", "UID_1.2", "cell 1. left"])
def test_a_file_without_suffix_is_an_image_by_its_header(tmp_path: Path, name: str, format_: str) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / name, format_)
    (tmp_path / "README").write_text("These are words.")
    (tmp_path / "empty").touch()
    assert names_below(tmp_path) == [name]
    assert not_read(tmp_path) == {NO_HEADER: 2}


def test_what_is_not_read_is_counted_by_kind(tmp_path: Path) -> None:
    lay_out(tmp_path, "1.png", "a/2.zip", "a/3.ZIP", "4.svs", ".5.png", ".cache/6.png", ".DS_Store", "a/Thumbs.db")
    os.mkfifo(tmp_path / "pipe")
    assert not_read(tmp_path) == {".zip": 2, ".svs": 1, HIDDEN: 2, SPECIAL_FILE: 1}
    assert describe_not_read(Counter({".zip": 2, NO_HEADER: 1200})) == (
        "not read: 2 .zip, 1,200 without an image header"
    )
    assert describe_not_read(Counter()) is None


def test_links_to_folders_are_followed_and_loops_end(tmp_path: Path) -> None:
    elsewhere = lay_out(tmp_path / "elsewhere", "deep/2.png")
    root = lay_out(tmp_path / "root", "b/1.png")
    (root / "a").symlink_to(elsewhere)
    (elsewhere / "up").symlink_to(root)
    (root / "b" / "self").symlink_to(root / "b")
    assert names_below(root) == ["a/deep/2.png", "b/1.png"]
    assert not_read(root) == {REPEATED_FOLDER: 2}


def test_a_folder_is_read_once_although_two_links_lead_to_it(tmp_path: Path) -> None:
    elsewhere = lay_out(tmp_path / "elsewhere", "deep/1.png")
    root = tmp_path / "root"
    root.mkdir()
    for name, target in (("a", elsewhere), ("b", elsewhere / "deep"), ("c", elsewhere)):
        (root / name).symlink_to(target)
    assert names_below(root) == ["a/deep/1.png"]
    assert not_read(root) == {REPEATED_FOLDER: 2}


def test_a_broken_link_is_a_file_so_that_it_becomes_a_row(tmp_path: Path) -> None:
    (tmp_path / "cell.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "cell").symlink_to(tmp_path / "gone")
    assert names_below(tmp_path) == ["cell.png"]
    assert not_read(tmp_path) == {SPECIAL_FILE: 1}


@pytest.mark.skipif(os.getuid() == 0 and shutil.which("setpriv") is None, reason="root may open every folder")
def test_a_folder_that_cannot_be_opened_is_counted(tmp_path: Path) -> None:
    lay_out(tmp_path, "closed/1.png", "2.png")
    (tmp_path / "closed").chmod(0)
    below = len(tmp_path.parents) - len(Path(tempfile.gettempdir()).parents) - 1
    for folder in (tmp_path, *tmp_path.parents[:below]):
        folder.chmod(0o755)
    code = (
        "from collections import Counter; from pathlib import Path; "
        "from lymphoscope.data.image_files import walk_files; counts = Counter(); "
        f"print([p.name for p in walk_files(Path({str(tmp_path)!r}), not_read=counts)], dict(counts))"
    )
    drop = ["setpriv", "--reuid=65534", "--clear-groups"] if os.getuid() == 0 else []
    done = subprocess.run([*drop, sys.executable, "-c", code], capture_output=True, text=True)
    if "PermissionError" in done.stderr or "No module" in done.stderr:
        pytest.skip("the unprivileged user cannot read this checkout")
    assert done.stdout == f"['2.png'] {{'{CLOSED_FOLDER}': 1}}\n", done.stderr
