"""Tiles partition a field, and a cell that two tiles see is kept once."""

import numpy as np
from hypothesis import given, settings, strategies as st

from lymphoscope.smear.seams import Candidates, depth_in, kept_once
from lymphoscope.smear.tiles import tiles_of

SCALE = 0.25
CELL = 12 / SCALE


@given(st.integers(100, 9000), st.integers(100, 9000), st.sampled_from([256, 1000, 2048]))
@settings(max_examples=40, deadline=None)
def test_cores_are_a_partition_and_areas_hold_them_with_a_margin(width: int, height: int, core: int) -> None:
    tiles = tiles_of(0, width, height, SCALE, core=core, whole=core)
    assert sum(tile.core.width * tile.core.height for tile in tiles) == width * height
    for tile in tiles:
        area = tile.area
        assert max(tile.core.width, tile.core.height) <= core
        assert area.x in (0, tile.core.x - 80)
        assert area.x + area.width in (width, tile.core.x + tile.core.width + 80)
    rng = np.random.default_rng(0)
    for x, y in rng.uniform((0, 0), (width, height), (20, 2)):
        assert sum(tile.core.holds(x, y) for tile in tiles) == 1


@given(st.integers(0, 10_000), st.floats(0, 1.2))
@settings(max_examples=40, deadline=None)
def test_every_cell_is_kept_once_wherever_it_lies_and_however_tiles_disagree(seed: int, jitter_microns: float) -> None:
    rng = np.random.default_rng(seed)
    width, height = 2000, 1500
    tiles = tiles_of(0, width, height, SCALE, core=512, whole=512)
    seams = [(x, rng.uniform(0, height)) for x in (500, 1000, 1500)] + [(500, 500), (1000, 500)]
    spread = [(x, y) for x, y in rng.uniform((50, 50), (width - 50, height - 50), (60, 2))]
    centres: list[tuple[float, float]] = []
    for x, y in [*seams, *spread]:
        if all(np.hypot(x - a, y - b) > CELL for a, b in centres):
            centres.append((float(x), float(y)))
    boxes, owners, depths, cells = [], [], [], []
    for number, tile in enumerate(tiles):
        for cell, (x, y) in enumerate(centres):
            seen = np.array([x, y]) + rng.uniform(-1, 1, 2) * jitter_microns / SCALE
            if tile.core.holds(*seen.tolist(), 3 / SCALE):
                boxes.append((*(seen - CELL / 2), CELL, CELL))
                owners.append(number)
                depths.append(depth_in(tile.core, *seen.tolist(), width, height))
                cells.append(cell)
    kept = kept_once(Candidates(np.array(boxes), np.array(owners), np.array(depths)), SCALE)
    assert sorted(np.array(cells)[kept].tolist()) == list(range(len(centres)))


def test_two_cells_of_one_tile_are_never_taken_for_one() -> None:
    boxes = np.array([[0, 0, 40, 40], [6, 0, 40, 40]], dtype=float)
    assert kept_once(Candidates(boxes, np.array([1, 1]), np.array([5.0, 5.0])), SCALE).all()
    assert kept_once(Candidates(boxes, np.array([1, 2]), np.array([5.0, 9.0])), SCALE).tolist() == [False, True]
