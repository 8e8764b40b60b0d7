import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lymphoscope.data.images import map_in_threads
from lymphoscope.data.manifest import manifest_of
from lymphoscope.data.similarity.fingerprints import inspect_file, inspect_files, with_fingerprints
from lymphoscope.data.similarity.matching import is_current_hash


def picture(path: Path, seed: int = 0) -> str:
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return str(path)


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_fingerprints_of_a_table_are_verified_against_the_files(tmp_path: Path) -> None:
    paths = [picture(tmp_path / f"{seed}.png", seed) for seed in range(3)]
    written = with_fingerprints(manifest_of([{"path": path} for path in paths], "table"))
    assert with_fingerprints(written) is written
    Path(paths[1]).write_bytes(Path(paths[0]).read_bytes())
    verified = with_fingerprints(written)
    assert verified.table["sha256"].tolist() == [digest(path) for path in paths]
    assert verified.table["phash"][1] == written.table["phash"][0] != written.table["phash"][1]
    assert verified.notices == (f"computed again: fingerprints of 1 file that differ from the table: {paths[1]}",)


def test_hashes_of_another_version_are_computed_again(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    written = with_fingerprints(manifest_of([{"path": path}], "table"))
    outdated = written.with_table(written.table.assign(phash="0123456789abcdef" * 4))
    again = with_fingerprints(outdated)
    assert again.table["phash"].tolist() == written.table["phash"].tolist()
    assert again.notices == ()


def test_inspection_gives_hash_and_size(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    found = inspect_file(path)
    assert found.sha256 == hashlib.sha256(Path(path).read_bytes()).hexdigest()
    assert (found.width, found.height) == (30, 20)
    assert is_current_hash(found.phash)


def test_unreadable_file_has_no_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    cut = Path(picture(tmp_path / "cut.png"))
    cut.write_bytes(cut.read_bytes()[:-100])
    for path in (tmp_path / "empty.png", cut, tmp_path / "missing.png", tmp_path):
        inspection = inspect_file(str(path))
        assert inspection.fault
        assert inspection[1:] == (None, None, None, None, None, None, False, False)


def test_only_empty_values_are_filled(tmp_path: Path) -> None:
    good, other = picture(tmp_path / "a.png"), picture(tmp_path / "b.png", seed=1)
    (tmp_path / "bad.png").write_text("no picture")
    cells = [{"path": good}, {"path": other, "sha256": digest(other)}, {"path": str(tmp_path / "bad.png"), "width": 3}]
    table = with_fingerprints(manifest_of(cells, "table")).table
    assert table["sha256"].tolist() == [digest(good), digest(other), None]
    assert table["width"].tolist() == [30, 30, 3]
    assert table["height"].isna().tolist() == [False, False, True]


def test_complete_manifest_is_not_read_again() -> None:
    hashes = {"phash": "2:b", "simhash": "2:c", "window_hash": "2:"}
    cells = [{"path": "/nowhere.png", "sha256": "a", "width": 1, "height": 1, **hashes}]
    manifest = manifest_of(cells, "table")
    assert with_fingerprints(manifest) is manifest


def test_threads_keep_the_order_and_pass_on_exceptions() -> None:
    texts = [str(i) for i in range(200)]
    assert map_in_threads(int, texts, "numbers") == list(range(200))
    with pytest.raises(ValueError, match="invalid literal"):
        map_in_threads(int, [*texts, "x"], "numbers")


def cell() -> np.ndarray:
    pixels = np.zeros((450, 450, 3), dtype=np.uint8)
    pixels[60:200, 100:200] = (150, 60, 160)
    return pixels


def test_one_inspection_finds_everything(tmp_path: Path) -> None:
    pixels = cell()
    Image.fromarray(pixels).save(tmp_path / "a.bmp")
    found = inspect_file(str(tmp_path / "a.bmp"))
    assert found.fault is None
    assert found.sha256 == hashlib.sha256((tmp_path / "a.bmp").read_bytes()).hexdigest()
    assert (found.width, found.height, found.beyond_crop) == (450, 450, True)
    assert found.phash and found.simhash and found.window_hash


def test_damaged_file_has_a_one_line_fault_and_nothing_else(tmp_path: Path) -> None:
    Image.fromarray(cell()).save(tmp_path / "good.png")
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture\n")
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:-60])
    names = ["good.png", "empty.png", "text.png", "cut.png", "missing.png"]
    found = inspect_files([str(tmp_path / name) for name in names])
    assert [one.fault is None for one in found] == [True, False, False, False, False]
    assert all("\n" not in str(one.fault) and one.sha256 is None and one.width is None for one in found[1:])
    assert "truncated" in str(found[3].fault)
