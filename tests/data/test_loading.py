import multiprocessing
import operator
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lymphoscope.data import loading
from lymphoscope.data.geometry import Geometry
from lymphoscope.data.images import UnreadableImage, decoded_image, read_image
from lymphoscope.data.loading import CellImages
from lymphoscope.data.preparation import CellPreparation

PREPARATION = CellPreparation(Geometry("resize", size=20))
BYTES = 20 * 20 * 3


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Six cells, of which the third is cut off and the fifth is missing."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for number in (0, 1, 2, 3, 5):
        Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(paths[number])
    paths[2].write_bytes(paths[2].read_bytes()[:900])
    return paths


def all_of(cells: CellImages) -> list[bytes | None]:
    found: list[bytes | None] = []
    for place in range(len(cells)):
        try:
            found.append(cells[place].tobytes())
        except UnreadableImage:
            found.append(None)
    return found


@pytest.mark.parametrize("cache_bytes", [0, BYTES - 1, BYTES, 4 * BYTES, 10**9])
@pytest.mark.parametrize("workers", [1, 4])
def test_cells_do_not_depend_on_cache_and_workers(paths: list[Path], cache_bytes: int, workers: int) -> None:
    cells = CellImages(paths, PREPARATION, cache_bytes)
    reference = [PREPARATION.prepare(read_image(paths[i])).tobytes() if i not in (2, 4) else None for i in range(6)]
    assert all_of(cells) == reference
    assert all_of(CellImages(paths, PREPARATION, cache_bytes).preload(workers)) == reference


def test_unreadable_files_are_listed_after_preload_and_raise_on_access(paths: list[Path]) -> None:
    cells = CellImages(paths, PREPARATION, 10**6)
    assert cells.errors == {}
    cells.preload(3)
    assert list(cells.errors) == [2, 4]
    assert "truncated" in cells.errors[2]
    assert "No such file" in cells.errors[4]
    with pytest.raises(UnreadableImage, match=r"2\.png: truncated"):
        _ = cells[2]


def test_preload_also_checks_files_outside_the_cache(paths: list[Path]) -> None:
    assert list(CellImages(paths, PREPARATION, BYTES).preload(2).errors) == [2, 4]


def test_each_file_is_decoded_once_if_memory_allows(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    read, lock = [], threading.Lock()

    def counted(path: str) -> np.ndarray:
        with lock:
            read.append(path)
        return decoded_image(path)

    monkeypatch.setattr(loading, "decoded_image", counted)
    cells = CellImages(paths, PREPARATION, 4 * BYTES).preload(4)
    assert sorted(read) == sorted(str(path) for path in paths)
    read.clear()
    for _ in range(3):
        all_of(cells)
    assert read == [str(paths[5])] * 3


@pytest.mark.parametrize(("cache_bytes", "kept"), [(-1, 0), (0, 0), (BYTES - 1, 0), (3 * BYTES, 3), (10**9, 6)])
def test_cache_respects_its_memory_limit(paths: list[Path], cache_bytes: int, kept: int) -> None:
    assert CellImages(paths, PREPARATION, cache_bytes).capacity == kept


def test_returned_cell_is_a_copy(paths: list[Path]) -> None:
    cells = CellImages(paths, PREPARATION, 10**6).preload(1)
    before = cells[0].copy()
    cells[0][:] = 7
    np.testing.assert_array_equal(cells[0], before)


def test_cells_are_a_sequence(paths: list[Path]) -> None:
    cells = CellImages(paths, PREPARATION, 10**6)
    assert len(cells) == 6
    np.testing.assert_array_equal(cells[-1], cells[5])
    assert [pixels.tobytes() for pixels in cells[0:4:3]] == [cells[0].tobytes(), cells[3].tobytes()]
    with pytest.raises(IndexError):
        _ = cells[6]


def test_no_cells_are_an_empty_sequence() -> None:
    assert len(CellImages([], PREPARATION, 10**6).preload(2)) == 0


def test_pickled_copy_has_no_cache_and_reads_the_same(paths: list[Path]) -> None:
    cells = CellImages(paths, PREPARATION, 10**6).preload(2)
    assert len(pickle.dumps(cells)) < BYTES + 1000
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        np.testing.assert_array_equal(pool.apply(operator.getitem, (cells, 3)), cells[3])
        with pytest.raises(UnreadableImage, match="truncated"):
            pool.apply(operator.getitem, (cells, 2))
