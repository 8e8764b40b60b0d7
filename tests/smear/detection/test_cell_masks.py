"""Outlines are computed in windows around the cells, and do not depend on what lies elsewhere in the field."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from lymphoscope.smear.detection.cell_masks import Boxes, _windows, cell_labels
from lymphoscope.smear.detection.working_scale import Window, WorkingField, working_field
from lymphoscope.synthetic import SmearSettings, draw_smear_field


@pytest.fixture(scope="module")
def drawn() -> tuple[WorkingField, Boxes]:
    made = SmearSettings(width=700, height=500, microns_per_pixel=0.3, white_cells=8, touching_pairs=2, cut_cells=1)
    field = draw_smear_field(made)
    boxes = [(cell.x, cell.y, cell.x + cell.width, cell.y + cell.height) for cell in field.cells]
    return working_field(field.pixels, 0.3), np.array(boxes, np.float32)


def test_an_outline_does_not_depend_on_cells_that_lie_apart(drawn: tuple[WorkingField, Boxes]) -> None:
    field, boxes = drawn
    labels = cell_labels(field, boxes)
    groups = _windows(boxes, labels.shape)
    assert len(groups) > 4
    for _, members in groups:
        alone = cell_labels(field, boxes[members])
        for place, member in enumerate(members):
            np.testing.assert_array_equal(alone == place + 1, labels == member + 1)


def test_the_slope_of_a_window_is_that_of_the_field(drawn: tuple[WorkingField, Boxes]) -> None:
    field, _ = drawn
    for window in (Window(0, 0, 40, 50), Window(100, 200, 101, 260), Window(400, 600, 500, 700)):
        np.testing.assert_array_equal(field.slope_in(window), field.slope[window.slices])


@given(st.integers(0, 10_000), st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_windows_do_not_overlap_and_hold_their_boxes(seed: int, number: int) -> None:
    rng = np.random.default_rng(seed)
    corners, sides = rng.uniform(0, 380, (number, 2)), rng.uniform(5, 60, (number, 2))
    boxes = np.concatenate([corners, np.minimum(corners + sides, 400)], axis=1).astype(np.float32)
    covered = np.zeros((400, 400), int)
    groups = _windows(boxes, covered.shape)
    for window, members in groups:
        covered[window.slices] += 1
        inner = boxes[members]
        assert window.left <= inner[:, 0].min()
        assert window.bottom >= inner[:, 3].max()
    assert covered.max() == 1
    assert sorted(np.concatenate([members for _, members in groups]).tolist()) == list(range(number))
