"""A draw of cells keeps the shares of classes and subjects."""

from collections import Counter

import pytest

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference import Cell
from lymphoscope.robustness.sampling import sample_indices, sampling_note

CELLS = [
    Cell(f"/{place}.png", subject=f"S{place % 17}", label="hem" if place % 17 in (3, 8) else "all")
    for place in range(340)
]


def test_a_draw_keeps_the_shares_and_the_order() -> None:
    places = sample_indices(CELLS, 85, seed=0)
    assert len(set(places)) == 85
    assert places == sorted(places)
    drawn = [CELLS[place] for place in places]
    assert set(Counter(cell.subject for cell in drawn).values()) == {5}
    assert sum(cell.label == "hem" for cell in drawn) == 10


def test_a_draw_is_the_same_for_a_seed_alone() -> None:
    assert sample_indices(CELLS, 30, 1) == sample_indices(CELLS, 30, 1)
    assert sample_indices(CELLS, 30, 1) != sample_indices(CELLS, 30, 2)


def test_all_are_taken_where_no_fewer_are_asked_for() -> None:
    assert (
        sample_indices(CELLS, None, 0)
        == sample_indices(CELLS, 340, 0)
        == sample_indices(CELLS, 999, 0)
        == list(range(340))
    )
    assert len(sample_indices([Cell("/a.png"), Cell("/b.png")], 1, 0)) == 1


@pytest.mark.parametrize(("cells", "count"), [(CELLS, 0), ([], 5), ([], None)])
def test_nothing_cannot_be_drawn(cells: list[Cell], count: int | None) -> None:
    with pytest.raises(LymphoscopeError, match="cells to"):
        sample_indices(cells, count, 0)


def test_a_note_says_only_what_is_so() -> None:
    assert sampling_note(10, 10, 0, 0) is None
    assert sampling_note(10, 200, 3, 7) == (
        "10 of 200 cells, drawn in proportion to class and subject (seed 7); "
        "3 of them could not be read and were left out"
    )
