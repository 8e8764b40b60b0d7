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


def test_each_of_two_touching_cells_gets_its_own_pixels_and_no_glass() -> None:
    drawn = [drawn_cell(seed) for seed in (0, 1)]
    cells, pixels = [one.mask > 0 for one in drawn], [one.pixels for one in drawn]
    (x, y, width, height), (x2, y2, _, height2) = (box_of(cell) for cell in cells)
    shift, drop = int(x + width - x2), int(y + height / 2 - y2 - height2 / 2)
    field, truth = np.pad(pixels[0], ((0, 0), (0, 240), (0, 0)), mode="edge"), np.zeros((2, 240, 480), np.bool_)
    truth[0, :, :240] = cells[0]
    rows, columns = np.nonzero(cells[1])
    truth[1, rows + drop, columns + shift] = True
    field[rows + drop, columns + shift] = pixels[1][rows, columns]
    closer = closer_outlines(field, rectangles(box_of(truth[0]), box_of(truth[1])))
    found = [filled(outline, (240, 480)) for outline in closer.outlines]
    assert [dice(mask, cell) > 0.88 for mask, cell in zip(found, truth, strict=True)] == [True, True]
    assert (found[0] & found[1]).sum() < 0.02 * found[0].sum()


def test_no_outline_goes_far_beyond_its_box() -> None:
    drawn = drawn_cell(2)
    x, y, width, height = box_of(drawn.mask > 0)
    small = rectangles([x + width / 4, y + height / 4, width / 2, height / 2])
    closer = closer_outlines(drawn.pixels, small).outlines[0]
    assert (np.ptp(closer, axis=0) < 1.3 * np.array([width / 2, height / 2])).all()


@pytest.mark.parametrize("side", [3, 60])
def test_an_outline_stays_where_no_cell_is_seen(side: int) -> None:
    kept = rectangles([20, 20, side, side])
    plain = closer_outlines(np.full((100, 100, 3), 200, np.uint8), kept)
    assert (plain.outlines[0] == kept.outlines[0]).all()
    assert len(closer_outlines(np.full((100, 100, 3), 200, np.uint8), Detections.empty())) == 0
