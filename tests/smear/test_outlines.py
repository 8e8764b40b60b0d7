"""Closer outlines: nearer to the drawn cell, inside the neighbours' borders, kept where nothing better is seen."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from lymphoscope.smear import Detections
from lymphoscope.smear.outlines import closer_outlines
from lymphoscope.synthetic.images import CellImage, draw_cell_image
from lymphoscope.synthetic.settings import SynthesisSettings
from lymphoscope.synthetic.subjects import draw_subject

Mask = NDArray[np.bool_]


def drawn_cell(seed: int) -> CellImage:
    rng = np.random.default_rng(seed)
    subject = draw_subject(f"subject-{seed}", "hem", rng)
    return draw_cell_image(subject, "hem", SynthesisSettings(subjects=2, size=240, background="smear"), rng)


def box_of(mask: Mask) -> list[float]:
    rows, columns = np.nonzero(mask)
    return [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]


def rectangles(*boxes: list[float]) -> Detections:
    """Cells whose outlines are rectangles, as coarse as can be."""
    outlines = tuple(
        np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h], [x, y]], np.float32) for x, y, w, h in boxes
    )
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), outlines, np.ones(count, np.float32), (frozenset(),) * count
    )


def filled(outline: NDArray[np.float32], shape: tuple[int, ...]) -> Mask:
    picture = Image.new("L", (shape[1], shape[0]))
    ImageDraw.Draw(picture).polygon([tuple(point) for point in outline.tolist()], fill=1)
    return np.asarray(picture) > 0


def dice(first: Mask, second: Mask) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


@pytest.mark.parametrize("seed", range(3))
def test_an_outline_gets_nearer_to_the_drawn_cell(seed: int) -> None:
    drawn = drawn_cell(seed)
    cell = drawn.mask > 0
    coarse = rectangles(box_of(cell))
    closer = closer_outlines(drawn.pixels, coarse)
    before, after = (dice(filled(one.outlines[0], cell.shape), cell) for one in (coarse, closer))
    assert after > max(before, 0.9)
    assert (closer.boxes == coarse.boxes).all()


def test_what_belongs_to_a_neighbour_is_left_to_it() -> None:
    drawn = drawn_cell(1)
    x, y, width, height = box_of(drawn.mask > 0)
    half = rectangles([x, y, width, height], [x + 0.75 * width, y, width, height])
    first, second = (filled(outline, (240, 240)) for outline in closer_outlines(drawn.pixels, half).outlines)
    assert first.any()
    assert (first & second).sum() < 0.03 * first.sum()


@pytest.mark.parametrize("side", [3, 60])
def test_an_outline_stays_where_no_cell_is_seen(side: int) -> None:
    kept = rectangles([20, 20, side, side])
    plain = closer_outlines(np.full((100, 100, 3), 200, np.uint8), kept)
    assert (plain.outlines[0] == kept.outlines[0]).all()
    assert len(closer_outlines(np.full((100, 100, 3), 200, np.uint8), Detections.empty())) == 0
