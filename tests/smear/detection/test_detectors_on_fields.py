"""Every detector that ships, on fields whose truth is known, and on what is no field."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lymphoscope.smear import Detections, Detector, load_detector
from lymphoscope.smear.detection import MARKS, detector_names
from lymphoscope.synthetic import SmearSettings
from lymphoscope.synthetic.images import FieldImage
from lymphoscope.synthetic.smear_fields import SmearField, draw_smear_field

SCALE = 0.14


@pytest.fixture(params=detector_names())
def detector(request: pytest.FixtureRequest) -> Detector:
    return load_detector(request.param)


def draw(seed: int, **settings: object) -> SmearField:
    wanted = {"width": 700, "height": 560, "white_cells": 4, "touching_pairs": 0, "cut_cells": 0, **settings}
    return draw_smear_field(SmearSettings(**wanted, seed=seed))


def centres(found: Detections) -> NDArray[np.float32]:
    return found.boxes[:, :2] + found.boxes[:, 2:] / 2


def hits(field: SmearField, found: Detections) -> list[int]:
    """Number of found centres in the box of each true cell."""
    x, y = centres(found).T if len(found) else (np.zeros(0), np.zeros(0))
    return [int(((x > c.x) & (x < c.x + c.width) & (y > c.y) & (y < c.y + c.height)).sum()) for c in field.cells]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4])
def test_cells_that_do_not_touch_are_found_once_and_nothing_else(detector: Detector, seed: int) -> None:
    field = draw(seed)
    found = detector.detect(field.pixels, SCALE)
    assert hits(field, found) == [1] * len(field.cells)
    assert len(found) == len(field.cells)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [0.3, 2.0])
def test_the_same_cells_are_found_in_a_resized_field(detector: Detector, factor: float) -> None:
    field = draw(3)
    size = round(700 * factor), round(560 * factor)
    found = detector.detect(np.asarray(Image.fromarray(field.pixels).resize(size)), SCALE / factor)
    x, y = (centres(found) / factor).T
    assert len(found) == len(field.cells)
    assert all(((x > c.x) & (x < c.x + c.width) & (y > c.y) & (y < c.y + c.height)).any() for c in field.cells)


def test_outlines_and_marks_belong_to_their_boxes(detector: Detector) -> None:
    field = draw(5, cut_cells=2)
    found = detector.detect(field.pixels, SCALE)
    assert len(found.outlines) == len(found.scores) == len(found.marks) == len(found.boxes)
    for (x, y, width, height), outline in zip(found.boxes, found.outlines, strict=True):
        assert 0 <= x < x + width <= 700
        assert 0 <= y < y + height <= 560
        middle = (outline.min(axis=0) + outline.max(axis=0)) / 2
        assert x <= middle[0] <= x + width
        assert y <= middle[1] <= y + height
    assert set().union(*found.marks) <= set(MARKS)
    assert sum("cut_by_edge" in marks for marks in found.marks) >= 1


@pytest.mark.slow
def test_a_field_in_tiles_has_the_cells_of_the_whole_field(detector: Detector) -> None:
    field = draw(6, width=4200, height=300, white_cells=10)
    found = detector.detect(field.pixels, SCALE)
    counts = hits(field, found)
    assert max(counts) == 1
    assert sum(counts) >= len(field.cells) - 1


BAD = {
    "black": np.zeros((200, 240, 3), np.uint8),
    "white": np.full((200, 240, 3), 255, np.uint8),
    "one pixel": np.full((1, 1, 3), 200, np.uint8),
    "one row": np.full((1, 300, 3), 200, np.uint8),
    "noise": np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_field_gives_few_cells_and_no_error(detector: Detector, name: str) -> None:
    assert len(detector.detect(BAD[name], 0.25)) <= (10 if name == "noise" else 0)


@pytest.mark.slow
@pytest.mark.parametrize("change", ["inverted", "grey", "wrong scale by 4", "wrong scale by 1/4"])
def test_a_field_that_was_spoiled_gives_a_result_and_no_error(
    detector: Detector, drawn_field: Callable[[int], FieldImage], change: str
) -> None:
    pixels, scale = drawn_field(1).pixels, 1 / 7.5
    if change == "inverted":
        pixels = 255 - pixels
    elif change == "grey":
        pixels = np.repeat(pixels[:, :, 1:2], 3, axis=2)
    else:
        scale *= 4 if change.endswith("by 4") else 0.25
    found = detector.detect(pixels, scale)
    assert np.isfinite(found.boxes).all()


@pytest.mark.slow
def test_red_cells_alone_are_hardly_taken_for_white_cells(detector: Detector) -> None:
    found = [len(detector.detect(draw(seed, white_cells=0).pixels, SCALE)) for seed in range(3)]
    assert sum(found) <= 3


@pytest.mark.slow
def test_nineteen_of_twenty_touching_pairs_are_split() -> None:
    detector = load_detector()
    fields = [draw(seed, white_cells=0, touching_pairs=4) for seed in range(10)]
    counts = [count for field in fields for count in hits(field, detector.detect(field.pixels, SCALE))]
    assert np.mean([count >= 1 for count in counts]) >= 0.95
