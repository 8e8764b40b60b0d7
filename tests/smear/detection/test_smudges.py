"""Smudges are told from white cells by their core, which has no nucleus."""

import numpy as np
import pytest

from lymphoscope.smear.detection.assembly import assemble
from lymphoscope.smear.detection.working_scale import working_field
from lymphoscope.synthetic import SmearSettings, draw_smear_field

SCALE = 0.3


@pytest.mark.parametrize("seed", range(4))
def test_smudges_are_marked_and_white_cells_are_not(seed: int) -> None:
    settings = SmearSettings(
        width=500,
        height=400,
        microns_per_pixel=SCALE,
        white_cells=6,
        touching_pairs=1,
        cut_cells=0,
        smudges=2,
        seed=seed,
    )
    drawn = draw_smear_field(settings)
    cells = [*drawn.cells, *drawn.artefacts]
    boxes = np.array([(one.x, one.y, one.x + one.width, one.y + one.height) for one in cells], np.float32)
    marks = assemble(working_field(drawn.pixels, SCALE), boxes, np.ones(len(boxes), np.float32), keep_boxes=True).marks
    assert len(marks) == len(cells)
    assert ["smudge" in one for one in marks] == [one.class_name == "smudge" for one in cells]
    assert len(drawn.artefacts) == 2


def test_white_cells_larger_than_any_other_are_no_smudges() -> None:
    """At a scale that is given twice as large as it is."""
    settings = SmearSettings(
        width=500, height=400, microns_per_pixel=SCALE, white_cells=6, touching_pairs=0, cut_cells=0
    )
    drawn = draw_smear_field(settings)
    boxes = np.array([(one.x, one.y, one.x + one.width, one.y + one.height) for one in drawn.cells], np.float32)
    field = working_field(drawn.pixels, 2 * SCALE)
    found = assemble(field, boxes * field.zoom[0], np.ones(len(boxes), np.float32), keep_boxes=True)
    assert not any("smudge" in one for one in found.marks)
