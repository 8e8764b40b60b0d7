"""A sample of cells keeps the shares of classes and subjects."""

from collections import Counter

import pytest

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference import Cell
from lymphoscope.robustness.sampling import sample_indices, sampling_note

CELLS = [
    Cell(f"/{index}.png", subject=f"S{index % 17}", label="hem" if index % 17 in (3, 8) else "all")
    for index in range(340)
]


def test_sample_keeps_shares_and_order() -> None:
    indices = sample_indices(CELLS, 85, seed=0)
    assert len(set(indices)) == 85
    assert indices == sorted(indices)
    sample = [CELLS[index] for index in indices]
    assert set(Counter(cell.subject for cell in sample).values()) == {5}
    assert sum(cell.label == "hem" for cell in sample) == 10


def test_sample_depends_on_the_seed_alone() -> None:
    assert sample_indices(CELLS, 30, 1) == sample_indices(CELLS, 30, 1)
    assert sample_indices(CELLS, 30, 1) != sample_indices(CELLS, 30, 2)


def test_all_cells_are_taken_if_no_fewer_are_requested() -> None:
    assert (
        sample_indices(CELLS, None, 0)
        == sample_indices(CELLS, 340, 0)
        == sample_indices(CELLS, 999, 0)
        == list(range(340))
    )
    assert len(sample_indices([Cell("/a.png"), Cell("/b.png")], 1, 0)) == 1


@pytest.mark.parametrize(("cells", "count"), [(CELLS, 0), ([], 5), ([], None)])
def test_empty_samples_are_errors(cells: list[Cell], count: int | None) -> None:
    with pytest.raises(LymphoscopeError, match="cells to"):
        sample_indices(cells, count, 0)


def test_note_is_empty_if_there_is_nothing_to_say() -> None:
    assert sampling_note(10, 10, 0, 0) is None
    assert sampling_note(10, 200, 3, 7) == (
        "10 of 200 cells, sampled in proportion to class and subject (seed 7); "
        "3 of them could not be read and were left out"
    )
