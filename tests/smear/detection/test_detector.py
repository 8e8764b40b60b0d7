from pathlib import Path

import numpy as np
import pytest

from lymphoscope.errors import LymphoscopeError
from lymphoscope.smear import Detections, load_detector
from lymphoscope.smear.detection import MARKS, default_detector, detector_names


def test_the_default_detector_is_the_first_name() -> None:
    assert default_detector() == detector_names()[0]
    assert load_detector().name == default_detector()


@pytest.mark.parametrize("name", detector_names())
def test_every_detector_returns_no_cells_for_a_blank_field(name: str) -> None:
    assert len(load_detector(name).detect(np.full((120, 160, 3), 240, np.uint8), 0.25)) == 0


def test_an_unknown_detector_is_named_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(LymphoscopeError, match=r"detector no-such: unknown; use one of .*classical"):
        load_detector("no-such")
    with pytest.raises(LymphoscopeError, match="not a folder with detector"):
        load_detector(str(tmp_path))


def test_selected_cells_keep_box_outline_score_and_marks() -> None:
    boxes = np.arange(12, dtype=np.float32).reshape(3, 4)
    outlines = tuple(np.full((3, 2), index, np.float32) for index in range(3))
    marks = (frozenset({"touching"}), frozenset[str](), frozenset({"smudge"}))
    chosen = Detections(boxes, outlines, np.array([0.1, 0.2, 0.3], np.float32), marks).select(np.array([2, 0]))
    assert chosen.boxes[:, 0].tolist() == [8, 0]
    assert [outline[0, 0] for outline in chosen.outlines] == [2, 0]
    assert chosen.scores.tolist() == pytest.approx([0.3, 0.1])
    assert set().union(*chosen.marks) <= set(MARKS)
