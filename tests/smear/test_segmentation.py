import numpy as np
import pytest
from numpy.typing import NDArray

from lymphoscope.smear.segmentation import segment_cell
from lymphoscope.synthetic.images import CellImage, draw_cell_image
from lymphoscope.synthetic.settings import SynthesisSettings
from lymphoscope.synthetic.subjects import draw_subject


def drawn_cell(seed: int, background: str = "smear") -> CellImage:
    rng = np.random.default_rng(seed)
    subject = draw_subject(f"subject-{seed}", "hem", rng)
    return draw_cell_image(subject, "hem", SynthesisSettings(subjects=2, size=240, background=background), rng)


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


@pytest.mark.parametrize("seed", range(4))
def test_masks_of_synthetic_cells_agree_with_the_drawing(seed: int) -> None:
    drawn = drawn_cell(seed)
    masks = segment_cell(drawn.pixels)
    assert masks.found
    assert dice(masks.nucleus, drawn.mask == 255) > 0.9
    assert dice(masks.cell, drawn.mask > 0) > 0.88


def test_the_nucleus_lies_in_the_cell_and_the_cytoplasm_is_the_rest() -> None:
    masks = segment_cell(drawn_cell(1).pixels)
    assert not (masks.nucleus & ~masks.cell).any()
    assert (masks.cytoplasm == (masks.cell & ~masks.nucleus)).all()


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_image_of_one_colour_has_no_cell(level: int) -> None:
    masks = segment_cell(np.full((90, 120, 3), level, np.uint8))
    assert not masks.found
    assert masks.cell.shape == (90, 120)
