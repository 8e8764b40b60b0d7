import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lymphoscope.data.manifest import manifest_of
from lymphoscope.data.similarity.fingerprints import Fingerprint, fingerprint, in_threads, with_fingerprints


def picture(path: Path, seed: int = 0) -> str:
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return str(path)


def test_a_fingerprint_is_hash_and_size(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    found = fingerprint(path)
    assert found.sha256 == hashlib.sha256(Path(path).read_bytes()).hexdigest()
    assert (found.width, found.height) == (30, 20)
    assert len(str(found.phash)) == 64


def test_what_cannot_be_read_has_none(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    cut = Path(picture(tmp_path / "cut.png"))
    cut.write_bytes(cut.read_bytes()[:-100])
    for path in (tmp_path / "empty.png", cut, tmp_path / "missing.png", tmp_path):
        assert fingerprint(str(path)) == Fingerprint(None, None, None, None)


def test_only_what_is_empty_is_filled(tmp_path: Path) -> None:
    good, other = picture(tmp_path / "a.png"), picture(tmp_path / "b.png", seed=1)
    (tmp_path / "bad.png").write_text("no picture")
    cells = [{"path": good}, {"path": other, "sha256": "given"}, {"path": str(tmp_path / "bad.png"), "width": 3}]
    table = with_fingerprints(manifest_of(cells, "table")).table
    assert table["sha256"].tolist() == [hashlib.sha256(Path(good).read_bytes()).hexdigest(), "given", None]
    assert table["width"].tolist() == [30, 30, 3]
    assert table["height"].isna().tolist() == [False, False, True]


def test_a_manifest_with_everything_is_not_read_again() -> None:
    cells = [{"path": "/nowhere.png", "sha256": "a", "width": 1, "height": 1, "phash": "b", "sketch": "c"}]
    manifest = manifest_of(cells, "table")
    assert with_fingerprints(manifest) is manifest


def test_threads_keep_the_order_and_raise_what_is_raised() -> None:
    words = [str(i) for i in range(200)]
    assert in_threads(int, words, "numbers") == list(range(200))
    with pytest.raises(ValueError, match="invalid literal"):
        in_threads(int, [*words, "x"], "numbers")
