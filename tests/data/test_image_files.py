from pathlib import Path

from lymphoscope.data.image_files import walk_files


def lay_out(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def names_below(root: Path, *suffixes: str) -> list[str]:
    found = walk_files(root, suffixes) if suffixes else walk_files(root)
    return [path.relative_to(root).as_posix() for path in found]


def test_image_files_are_found_by_suffix_in_sorted_order(tmp_path: Path) -> None:
    lay_out(tmp_path, "b/2.PNG", "b/10.jpeg", "a/deep/1.tif", "c.bmp", "notes.txt", "table.csv")
    assert names_below(tmp_path) == ["c.bmp", "a/deep/1.tif", "b/10.jpeg", "b/2.PNG"]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    assert names_below(lay_out(tmp_path, ".cache/1.png", "._2.png", "3.png")) == ["3.png"]


def test_suffixes_can_be_chosen(tmp_path: Path) -> None:
    assert names_below(lay_out(tmp_path, "1.png", "2.bmp"), ".bmp") == ["2.bmp"]
